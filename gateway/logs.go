package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

// LogQuery selects lines of a function's log.
type LogQuery struct {
	Name      string    // of the function
	Namespace string    // empty: the gateway's default
	Instance  string    // empty: all replicas
	Since     time.Time // zero: the server decides; sent in whole seconds
	Tail      int       // newest lines to begin with; negative: all; 0: the server decides
	Follow    bool      // go on with new lines until ctx ends
}

// Logs yields the lines of a function's log as they arrive. The last pair has
// an [*Error] unless the server ended the stream between two messages:
// [ErrLogTruncated] if it ended inside one, [ErrConnectionLost] if the network
// did. Only ctx bounds the wait.
func (c *Client) Logs(ctx context.Context, q LogQuery) iter.Seq2[schema.LogMessage, error] {
	return func(yield func(schema.LogMessage, error) bool) {
		body, err := c.OpenLogs(ctx, q)
		if err != nil {
			yield(schema.LogMessage{}, err)
			return
		}
		defer body.Close()
		dec := NewLogDecoder(body)
		var rec LogRecord
		for {
			err := dec.Next(&rec)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				yield(schema.LogMessage{}, &Error{Op: logsOp(q), URL: c.redactedLogsURL(q), Status: http.StatusOK, Err: err})
				return
			}
			if !yield(rec.Message(), nil) {
				return
			}
		}
	}
}

// OpenLogs returns the text below [Client.Logs], for a [LogDecoder]: one JSON
// object after another, as the server sends them. The caller closes it.
func (c *Client) OpenLogs(ctx context.Context, q LogQuery) (io.ReadCloser, error) {
	if q.Name == "" {
		return nil, errors.New("read logs: no function named")
	}
	resp, err := c.send(ctx, call{op: logsOp(q), method: http.MethodGet, path: logsPath, query: q.values(), poll: q.Follow})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

const logsPath = "system/logs"

func logsOp(q LogQuery) string { return fmt.Sprintf("read logs of %q", q.Name) }

func (c *Client) redactedLogsURL(q LogQuery) string {
	u := c.base.JoinPath(logsPath)
	u.RawQuery = q.values().Encode()
	return redacted(u)
}

func (q LogQuery) values() url.Values {
	v := inNamespace(q.Namespace)
	v.Set("name", q.Name)
	v.Set("follow", strconv.FormatBool(q.Follow))
	if q.Instance != "" {
		v.Set("instance", q.Instance)
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339))
	}
	if q.Tail != 0 {
		v.Set("tail", strconv.Itoa(max(q.Tail, -1)))
	}
	return v
}
