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
	ahead *readAhead // of body
	dec   logDecoder
	fail  func(error) error // makes an error of what reading failed with
}

// LogReading says how a log is read.
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
	s := NewLogStream(resp.Body, how)
	s.fail = func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return &Error{Op: op, URL: redacted(resp.Request.URL), Status: resp.StatusCode, Err: err}
	}
	return s, nil
}

// NewLogStream reads a log that is there already. The caller closes the stream,
// which closes body and ends a Read of it.
func NewLogStream(body io.ReadCloser, how LogReading) *LogStream {
	ahead := newReadAhead(body, how.Idle)
	s := &LogStream{body: body, ahead: ahead, dec: logDecoder{next: ahead.next}, fail: func(err error) error { return err }}
	if how.JSON {
		s.dec.states = newStringStates()
	}
	return s
}

// Next reads the next message into rec, whose slices hold until the following
// call. It returns io.EOF after the last one and otherwise wraps
// [ErrLogTruncated] when the log ends inside a message, [ErrConnectionLost] when
// reading fails, and other errors for what is no log message; all of it is an
// [*Error] if a client opened the log.
func (s *LogStream) Next(rec *LogRecord) error {
	err := s.dec.message(rec)
	if err == nil || err == io.EOF {
		return err
	}
	return s.fail(err)
}

// Close ends the request and what reads its answer ahead.
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
