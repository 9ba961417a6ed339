//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

// fakeEngine is an engine that a test takes away and brings back. What it runs goes on meanwhile.
type fakeEngine struct {
	mu        sync.Mutex
	up        bool
	next      int
	running   map[string]*fakeReplica
	forgotten []runtime.Ref
}

func newFakeEngine() *fakeEngine { return &fakeEngine{up: true, running: map[string]*fakeReplica{}} }

func (e *fakeEngine) set(up bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.up = up
}

// reachable is how a client fails without engine.
func (e *fakeEngine) reachable() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.up {
		return &engine.UnavailableError{Endpoint: engine.Endpoint{Source: "test"}, Err: errors.New("nobody listens")}
	}
	return nil
}

// replicas are the IDs of those that run of a function.
func (e *fakeEngine) replicas(name string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for id, r := range e.running {
		if r.info.Name == name {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// options make a platform run its functions with the engine.
func (e *fakeEngine) options(required bool) func(*Options) {
	return func(o *Options) {
		native := o.Runtimes
		o.Runtimes = func(h Host) []RuntimeSource {
			connect := func(context.Context) (runtime.Runtime, error) {
				if err := e.reachable(); err != nil {
					return nil, err
				}
				return &fakeRuntime{e}, os.MkdirAll(h.RuntimeDir(runtime.Docker), 0o700)
			}
			return append(native(h), RuntimeSource{Kind: runtime.Docker, Connect: connect, Required: required})
		}
	}
}

type fakeRuntime struct{ e *fakeEngine }

func (*fakeRuntime) Kind() runtime.Kind                           { return runtime.Docker }
func (rt *fakeRuntime) Check(context.Context, runtime.Spec) error { return rt.e.reachable() }
func (*fakeRuntime) Notes(runtime.Spec) []string                  { return nil }
func (rt *fakeRuntime) Purge(context.Context) error               { return rt.e.reachable() }
func (*fakeRuntime) Close() error                                 { return nil }
func (rt *fakeRuntime) Reachable(context.Context) error           { return rt.e.reachable() }
func (*fakeRuntime) Logs(context.Context, runtime.Ref, runtime.LogQuery) iter.Seq2[runtime.LogLine, error] {
	return func(func(runtime.LogLine, error) bool) {}
}

func (rt *fakeRuntime) Await(ctx context.Context) error {
	for rt.e.reachable() != nil {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (rt *fakeRuntime) Forget(_ context.Context, f runtime.Ref) error {
	if err := rt.e.reachable(); err != nil {
		return err
	}
	rt.e.mu.Lock()
	defer rt.e.mu.Unlock()
	rt.e.forgotten = append(rt.e.forgotten, f)
	return nil
}

func (rt *fakeRuntime) Start(_ context.Context, s runtime.Spec) (runtime.Replica, error) {
	if err := rt.e.reachable(); err != nil {
		return nil, err
	}
	if s.Env["FAIL"] != "" {
		return nil, errors.New("it fails")
	}
	rt.e.mu.Lock()
	defer rt.e.mu.Unlock()
	rt.e.next++
	id := fmt.Sprint("replica-", rt.e.next)
	r := &fakeReplica{e: rt.e, done: make(chan struct{}), secrets: s.Secrets}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.e.mu.Lock()
		defer r.e.mu.Unlock()
		_, _ = fmt.Fprintf(w, "%s version %s secret %s", id, s.Env["VERSION"], r.secrets["key"])
	}))
	r.info = runtime.Info{Ref: s.Ref, ID: id, Revision: s.Revision, Address: r.server.Listener.Addr().String(), Started: time.Now()}
	rt.e.running[id] = r
	return r, nil
}

func (rt *fakeRuntime) Adopt(context.Context, func(runtime.Ref) bool) ([]runtime.Replica, error) {
	if err := rt.e.reachable(); err != nil {
		return nil, err
	}
	rt.e.mu.Lock()
	defer rt.e.mu.Unlock()
	var all []runtime.Replica
	for _, r := range rt.e.running {
		all = append(all, r)
	}
	return all, nil
}

type fakeReplica struct {
	e       *fakeEngine
	info    runtime.Info
	server  *httptest.Server
	done    chan struct{}
	secrets map[string][]byte
}

func (r *fakeReplica) Info() runtime.Info    { return r.info }
func (r *fakeReplica) Done() <-chan struct{} { return r.done }
func (r *fakeReplica) Exit() runtime.Exit    { return runtime.Exit{} }

func (r *fakeReplica) SetSecrets(_ context.Context, secrets map[string][]byte) error {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	r.secrets = secrets
	return nil
}

func (r *fakeReplica) Stop(context.Context, time.Duration) error {
	if err := r.e.reachable(); err != nil {
		return err
	}
	r.e.mu.Lock()
	_, running := r.e.running[r.info.ID]
	delete(r.e.running, r.info.ID)
	r.e.mu.Unlock()
	if running {
		r.server.Close()
		close(r.done)
	}
	return nil
}

func container(name string, env ...string) schema.FunctionDeployment {
	d := deployment(name, env...)
	d.Image = "registry.test/" + name
	return d
}

// leaveRunning runs functions, which outlive their platform because the engine goes away first.
func leaveRunning(t *testing.T, dir string, e *fakeEngine, functions ...schema.FunctionDeployment) {
	t.Helper()
	p := startPlatform(t, dir, e.options(true))
	p.want(http.StatusCreated, http.MethodPost, "/system/secrets", schema.Secret{Name: "key", Value: "v1"})
	for _, d := range functions {
		d.Secrets = []string{"key"}
		p.want(http.StatusAccepted, http.MethodPost, "/system/functions", d)
	}
	e.set(false)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestFunctionsWaitForTheirRuntimeAndComeBackWithIt(t *testing.T) {
	t.Parallel()
	e, dir := newFakeEngine(), t.TempDir()
	leaveRunning(t, dir, e, container("keep", "VERSION=1"), container("gone"))
	before := e.replicas("keep")

	p := startPlatform(t, dir, e.options(false))
	p.deploy("native") // what needs no engine is as always
	p.call("/function/native", "")
	if s := p.status("keep"); s.Replicas != 1 || s.AvailableReplicas != 0 || s.Image != "registry.test/keep" {
		t.Errorf("without engine: %+v", s)
	}
	says := func(status int, method, path string, body any) {
		t.Helper()
		if _, text := p.want(status, method, path, body); !strings.Contains(text, "no container engine (test): nobody listens") {
			t.Errorf("%s %s does not say what is away: %s", method, path, text)
		}
	}
	says(http.StatusServiceUnavailable, http.MethodPost, "/function/keep", "")
	says(http.StatusServiceUnavailable, http.MethodPost, "/system/functions", container("new"))
	says(http.StatusServiceUnavailable, http.MethodPut, "/system/functions", container("keep", "VERSION=2"))
	says(http.StatusInternalServerError, http.MethodGet, "/system/logs?name=keep", nil)
	if _, text := p.want(http.StatusOK, http.MethodGet, "/system/info", nil); !strings.Contains(text, `"orchestration":"process"`) {
		t.Errorf("info says %s", text)
	}
	states, err := p.in.Runtimes(t.Context(), http.DefaultClient)
	if err != nil || len(states) != 2 || states[0].Away != "" || !strings.Contains(states[1].Away, "nobody listens") ||
		!slices.Equal(states[1].Waiting, []string{"gone.openfaas-fn", "keep.openfaas-fn"}) {
		t.Errorf("runtimes %+v, %v", states, err)
	}

	// What is wanted can be changed meanwhile.
	p.want(http.StatusAccepted, http.MethodPost, "/system/scale-function/keep", schema.ScaleServiceRequest{ServiceName: "keep", Replicas: 2})
	p.want(http.StatusAccepted, http.MethodDelete, "/system/functions", schema.DeleteFunctionRequest{FunctionName: "gone"})
	p.want(http.StatusAccepted, http.MethodPut, "/system/secrets", schema.Secret{Name: "key", Value: "v2"})
	says(http.StatusServiceUnavailable, http.MethodPost, "/function/keep", "")

	e.set(true)
	eventually(t, "two replicas", func() bool { return p.status("keep").AvailableReplicas == 2 })
	after := e.replicas("keep")
	if len(after) != 2 || !slices.Contains(after, before[0]) {
		t.Errorf("replicas %v became %v", before, after)
	}
	for range 2 {
		if _, text := p.want(http.StatusOK, http.MethodPost, "/function/keep", ""); !strings.Contains(text, "version 1 secret v2") {
			t.Errorf("keep answers %s", text)
		}
	}
	eventually(t, "nothing of what was removed", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return slices.ContainsFunc(e.forgotten, func(f runtime.Ref) bool { return f.Name == "gone" })
	})
	if left := e.replicas("gone"); len(left) > 0 {
		t.Errorf("%v still run", left)
	}
	if states, err := p.in.Runtimes(t.Context(), http.DefaultClient); err != nil || states[1].Away != "" || len(states[1].Waiting) > 0 {
		t.Errorf("runtimes %+v, %v", states, err)
	}
	p.want(http.StatusAccepted, http.MethodPut, "/system/functions", container("keep", "VERSION=2"))
}

func TestDeploymentFindsARuntimeThatHasJustCome(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	e.set(false)
	p := startPlatform(t, t.TempDir(), e.options(false))
	p.want(http.StatusServiceUnavailable, http.MethodPost, "/system/functions", container("fn", "VERSION=1"))
	e.set(true)
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", container("fn", "VERSION=1"))
	p.want(http.StatusOK, http.MethodPost, "/function/fn", "")
}

// TestFailedUpdateKeepsWhatHasJustComeBack: an update may come before the platform itself has noticed.
func TestFailedUpdateKeepsWhatHasJustComeBack(t *testing.T) {
	t.Parallel()
	e, dir := newFakeEngine(), t.TempDir()
	leaveRunning(t, dir, e, container("fn", "VERSION=1"))
	before := e.replicas("fn")
	p := startPlatform(t, dir, e.options(false))
	e.set(true)
	p.want(http.StatusInternalServerError, http.MethodPut, "/system/functions", container("fn", "FAIL=1"))
	eventually(t, "the old replica", func() bool { return p.status("fn").AvailableReplicas == 1 })
	if _, text := p.want(http.StatusOK, http.MethodPost, "/function/fn", ""); !strings.Contains(text, "version 1") {
		t.Errorf("fn answers %s", text)
	}
	if after := e.replicas("fn"); !slices.Equal(before, after) {
		t.Errorf("replicas %v became %v", before, after)
	}
}

func TestFunctionScaledToZeroWakesWhenItsRuntimeIsBack(t *testing.T) {
	t.Parallel()
	e, dir := newFakeEngine(), t.TempDir()
	p := startPlatform(t, dir, e.options(true))
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", container("fn", "VERSION=1"))
	p.want(http.StatusAccepted, http.MethodPost, "/system/scale-function/fn", schema.ScaleServiceRequest{ServiceName: "fn"})
	eventually(t, "no replica", func() bool { return len(e.replicas("fn")) == 0 })
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	e.set(false)
	p = startPlatform(t, dir, e.options(false))
	p.want(http.StatusServiceUnavailable, http.MethodPost, "/function/fn", "")
	if s := p.status("fn"); s.Replicas != 0 {
		t.Errorf("a call that failed scaled it to %d", s.Replicas)
	}
	e.set(true)
	eventually(t, "an answer", func() bool {
		res, _ := p.do(http.MethodPost, "/function/fn", "")
		return res.StatusCode == http.StatusOK
	})
}

func TestPlatformStopsWhileFunctionsWait(t *testing.T) {
	t.Parallel()
	e, dir := newFakeEngine(), t.TempDir()
	leaveRunning(t, dir, e, container("fn"))
	p := startPlatform(t, dir, e.options(false))
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	records, err := state{dir}.functions()
	if err != nil || len(records) != 1 || records[0].Replicas != 1 || records[0].Runtime != runtime.Docker {
		t.Errorf("records %+v, %v", records, err)
	}
	if err := Purge(t.Context(), dir, func(h Host) []RuntimeSource {
		o := testOptions(dir, io.Discard)
		e.options(false)(&o)
		return o.Runtimes(h)
	}); !engine.IsUnavailable(err) {
		t.Errorf("purge: %v", err)
	}
	if _, err := os.Stat(dir + "/id"); err != nil {
		t.Errorf("the purge that failed took the identity: %v", err)
	}
}

func TestPlatformOfContainersAloneDoesNotStartWithoutEngine(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	e.set(false)
	o := testOptions(t.TempDir(), io.Discard)
	e.options(true)(&o)
	err := Run(t.Context(), o, func(Instance) { t.Error("it is ready") })
	if !engine.IsUnavailable(err) {
		t.Errorf("error %v", err)
	}
}
