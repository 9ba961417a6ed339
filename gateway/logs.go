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
		s, err := c.OpenLogs(ctx, q, LogReading{})
		if err != nil {
			yield(schema.LogMessage{}, err)
			return
		}
		defer func() { _ = s.Close() }() // it was only read
		for {
			var rec LogRecord
			err := s.Next(&rec)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(schema.LogMessage{}, err)
				return
			}
			if !yield(rec.Message(), nil) {
				return
			}
		}
	}
}

// LogStream is the log of a function as it arrives, without a copy of each
// message: what [Client.Logs] is made of. It is not safe for concurrent use.
type LogStream struct {
	body  io.ReadCloser
	ahead *readAhead   // of body
	cause func() error // why the request was cancelled, if it was
	dec   *LogDecoder
	op    string
	url   string
}

// LogReading says how [Client.OpenLogs] reads.
type LogReading struct {
	// Idle, unless nil, is called by Next before it waits for the network: then
	// all that has arrived was returned, so it is the time to flush.
	Idle func()
	// JSON says that records are only wanted as JSON: texts are checked, but
	// left out of the records where that saves work.
	JSON bool
}

// OpenLogs asks for a function's log. The caller closes the stream.
func (c *Client) OpenLogs(ctx context.Context, q LogQuery, how LogReading) (*LogStream, error) {
	if q.Name == "" {
		return nil, errors.New("read logs: no function named")
	}
	op := fmt.Sprintf("read logs of %q", q.Name)
	resp, err := c.send(ctx, call{op: op, method: http.MethodGet, path: "system/logs", query: q.values(), poll: q.Follow})
	if err != nil {
		return nil, err
	}
	ahead := newReadAhead(resp.Body, how.Idle)
	return &LogStream{
		body: resp.Body, ahead: ahead, dec: &LogDecoder{next: ahead.next, lines: how.JSON}, op: op, url: redacted(resp.Request.URL),
		cause: func() error { return context.Cause(ctx) },
	}, nil
}

// Next reads the next message into rec, whose slices hold until the following
// call. It returns io.EOF at the end of the log and an [*Error] for anything
// else, see [LogDecoder.Next].
func (s *LogStream) Next(rec *LogRecord) error {
	err := s.dec.Next(rec)
	if err == nil || err == io.EOF {
		return err
	}
	if cause := s.cause(); cause != nil {
		err = cause
	}
	return &Error{Op: s.op, URL: s.url, Status: http.StatusOK, Err: err}
}

// Close ends the request.
func (s *LogStream) Close() error {
	err := s.body.Close()
	s.ahead.stop()
	return err
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
