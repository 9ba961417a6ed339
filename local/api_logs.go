package local

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

// logs streams what a function wrote, one JSON object a line.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	q, ok := logQuery(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	ref := runtime.Ref{Name: query.Get("name"), Namespace: cmp.Or(query.Get("namespace"), DefaultNamespace)}
	f := s.fleet.lookup(ref)
	if f == nil {
		refuse(w, http.StatusNotFound, "function "+ref.String()+" not found")
		return
	}
	rt, _, err := s.fleet.specOf(f.current())
	if err != nil {
		s.fail(w, fmt.Errorf("logs of %s: %w", ref, err))
		return
	}
	// Nothing is asked for first: that a log cannot be read at all is an answer, not a stream that breaks.
	for _, err := range rt.Logs(r.Context(), ref, runtime.LogQuery{Instance: "none"}) {
		if err != nil {
			s.fail(w, err)
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	if q.Follow {
		_ = flusher.Flush() // the client knows that the stream has begun, also when nothing is written for long
	}
	ctx, cancel := s.streamContext(r.Context())
	defer cancel()
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for line, err := range rt.Logs(ctx, ref, q) {
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.Warn("read logs", "function", ref.String(), "error", err)
				panic(http.ErrAbortHandler) // the client is to see that something is missing
			}
			return
		}
		if enc.Encode(schema.LogMessage{Name: ref.Name, Namespace: ref.Namespace, Instance: line.Instance, Timestamp: line.Time, Text: line.Text + "\n"}) != nil {
			return
		}
		if q.Follow && flusher.Flush() != nil {
			return
		}
	}
}

// streamContext ends with ctx or, with errClosing, when the platform stops.
func (s *Server) streamContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.stopping:
			cancel(errClosing)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// logQuery reads the query; when it cannot be used, it answers and returns false.
func logQuery(w http.ResponseWriter, r *http.Request) (runtime.LogQuery, bool) {
	query := r.URL.Query()
	bad := func(key string) (runtime.LogQuery, bool) {
		refuse(w, http.StatusUnprocessableEntity, "query: "+key+" is not valid")
		return runtime.LogQuery{}, false
	}
	q := runtime.LogQuery{Tail: -1, Instance: query.Get("instance")}
	var err error
	if query.Get("name") == "" {
		return bad("name")
	}
	if v := query.Get("follow"); v != "" {
		if q.Follow, err = strconv.ParseBool(v); err != nil {
			return bad("follow")
		}
	}
	if v := query.Get("tail"); v != "" {
		if q.Tail, err = strconv.Atoi(v); err != nil || q.Tail < -1 {
			return bad("tail")
		}
	}
	if v := query.Get("since"); v != "" {
		if q.Since, err = time.Parse(time.RFC3339, v); err != nil {
			return bad("since")
		}
	}
	return q, true
}
