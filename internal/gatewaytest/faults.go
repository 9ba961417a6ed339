package gatewaytest

import (
	"io"
	"net/http"
	"strings"
)

// Fault is what happens instead of the gateway's answer. Of several that fit a
// request the first counts.
type Fault struct {
	Method  string       // empty: any
	Path    string       // without the base path; a final * stands for anything; empty: any
	Skip    int          // requests to let pass first
	Times   int          // how often it happens; 0: always
	Handler http.Handler // what happens; see [Reply] and the others here
}

// Inject adds a fault.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault needs the lock.
func (s *Server) fault(r *http.Request) *Fault {
	path := strings.TrimPrefix(r.URL.Path, strings.TrimRight(s.o.BasePath, "/"))
	for _, f := range s.faults {
		prefix, wild := strings.CutSuffix(f.Path, "*")
		switch {
		case f.Method != "" && f.Method != r.Method,
			!wild && f.Path != "" && f.Path != path,
			wild && !strings.HasPrefix(path, prefix),
			f.Times < 0:
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		case f.Times == 1:
			f.Times = -1 // used up
		case f.Times > 1:
			f.Times--
		}
		return f
	}
	return nil
}

// Reply answers with a status, headers as "Name: value", and a body.
func Reply(status int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ":")
			w.Header().Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// Redirect sends the client to url.
func Redirect(status int, url string) http.Handler { return Reply(status, "", "Location: "+url) }

// Hang answers nothing until the client or the server ends.
func Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// HangInBody begins an answer and never ends it.
func HangInBody(status int, begin string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, begin)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

// Drop closes the connection without an answer.
func Drop() http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// CutBody begins an answer and then closes the connection.
func CutBody(status int, begin string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, begin)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Flood answers with a body of size bytes, for as long as the client takes it.
func Flood(status int, size int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := size // of this answer
		w.WriteHeader(status)
		chunk := []byte(strings.Repeat("flood ", 10<<10))
		for ; size > 0 && r.Context().Err() == nil; size -= int64(len(chunk)) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
}
