//go:build unix

package commands

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// engineElsewhere is an engine that is not this machine's, as far as its address tells. It notes what it is to change.
type engineElsewhere struct {
	host string

	mu      sync.Mutex
	changes []string
}

func newEngineElsewhere(t *testing.T) *engineElsewhere {
	t.Helper()
	e := &engineElsewhere{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			e.mu.Lock()
			e.changes = append(e.changes, r.Method+" "+r.URL.Path)
			e.mu.Unlock()
			http.Error(w, `{"message": "a test's engine"}`, http.StatusInternalServerError)
		}
	}))
	t.Cleanup(srv.Close)
	e.host = "tcp://" + srv.Listener.Addr().String()
	return e
}

// env is one whose engine it is.
func (e *engineElsewhere) env(t *testing.T) (env *Env, stdout, stderr *bytes.Buffer) {
	t.Helper()
	env, stdout, stderr = faultEnv(t, "")
	lookup := env.Lookup
	env.Lookup = func(key string) (string, bool) {
		if key == "DOCKER_HOST" {
			return e.host, true
		}
		return lookup(key)
	}
	return env, stdout, stderr
}

func TestLocalStartRefusesAnEngineElsewhere(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{nil, {"--foreground"}} {
		e := newEngineElsewhere(t)
		env, _, stderr := e.env(t)
		code := Main(t.Context(), env, append([]string{"local", "start", "--port", "0", "--runtime", "docker"}, more...))
		if text := stderr.String(); code != exitFailed || !strings.Contains(text, e.host+" is not on this machine") || !strings.Contains(text, "hint: choose an engine of this machine") {
			t.Errorf("%q: exit code %d:\n%s", more, code, text)
		}
		if len(e.changes) > 0 {
			t.Errorf("%q: asked for %q", more, e.changes)
		}
	}
}

func TestLocalStartRunsProcessesBesideAnEngineElsewhere(t *testing.T) {
	t.Parallel()
	e := newEngineElsewhere(t)
	env, stdout, stderr := e.env(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	env.Term.Out = writeFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("is ready")) {
			cancel()
		}
		return stdout.Write(p)
	})
	Main(ctx, env, []string{"local", "start", "--port", "0", "--foreground"})
	if !strings.Contains(stdout.String(), "is ready") || len(e.changes) > 0 {
		t.Errorf("asked for %q:\n%s%s", e.changes, stdout, stderr)
	}
}

// writeFunc is a writer.
type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }
