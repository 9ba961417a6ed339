//go:build unix

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/processtest"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

func TestMain(m *testing.M) { processtest.Main(m) }

// testPlatform is a running platform with the process runtime.
type testPlatform struct {
	t    testing.TB
	dir  string
	in   Instance
	stop func() error
	logs *syncBuffer
}

// testOptions are those of a platform for tests.
func testOptions(dir string, logs io.Writer) Options {
	log := slog.New(slog.NewTextHandler(logs, nil))
	return Options{
		Dir: dir, Runtime: "process", Version: "test", Log: log, Now: time.Now,
		Runtimes: func(h Host) []RuntimeSource {
			return []RuntimeSource{Ready(runtime.NewProcess(runtime.ProcessConfig{
				Dir: h.RuntimeDir(runtime.Process), Images: h.Images, Supervisor: processtest.Supervisor(),
				GatewayURL: h.GatewayURL, Path: os.Getenv("PATH"), Log: log,
			}))}
		},
	}
}

// startPlatform runs a platform over dir, which has an image "fn".
func startPlatform(t testing.TB, dir string, change ...func(*Options)) *testPlatform {
	t.Helper()
	store := registry.Open(ImagesDir(dir))
	h, err := store.WriteImage(t.Context(), "fn", processtest.Image(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.MarkNative(h, ""); err != nil {
		t.Fatal(err)
	}
	p := &testPlatform{t: t, dir: dir, logs: &syncBuffer{}}
	o := testOptions(dir, p.logs)
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it ends by stop, in a cleanup
	ready, ended := make(chan Instance, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, o, func(in Instance) { ready <- in }) }()
	select {
	case p.in = <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("start: %v", err)
	}
	stopped := false
	p.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if t.Failed() {
			t.Logf("platform:\n%s", p.logs)
		}
	})
	return p
}

// do sends a request, to the control plane with credentials.
func (p *testPlatform) do(method, path string, body any, change ...func(*http.Request)) (*http.Response, string) {
	p.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			p.t.Fatal(err)
		}
		r = bytes.NewReader(j)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.in.URL()+path, r)
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.HasPrefix(path, "/system/") {
		user, password, err := p.in.Credentials()
		if err != nil {
			p.t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
	}
	for _, c := range change {
		c(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(text)
}

// want sends a request and checks the status.
func (p *testPlatform) want(status int, method, path string, body any, change ...func(*http.Request)) (*http.Response, string) {
	p.t.Helper()
	res, text := p.do(method, path, body, change...)
	if res.StatusCode != status {
		p.t.Fatalf("%s %s: %s, want %d: %s", method, path, res.Status, status, text)
	}
	return res, text
}

// deploy creates a function with the environment.
func (p *testPlatform) deploy(name string, env ...string) {
	p.t.Helper()
	p.want(http.StatusAccepted, "POST", "/system/functions", deployment(name, env...))
}

func deployment(name string, env ...string) schema.FunctionDeployment {
	d := schema.FunctionDeployment{Service: name, Image: "fn", EnvVars: map[string]string{}, Labels: map[string]string{}, Annotations: map[string]string{}}
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		d.EnvVars[key] = value
	}
	return d
}

type echo struct {
	Method, Path, Query, Body, Version, Dir string
	PID                                     int
	Headers                                 map[string]string
}

// call calls a function and returns what it says of the call.
func (p *testPlatform) call(path, body string) echo {
	p.t.Helper()
	_, text := p.want(http.StatusOK, "POST", path, body)
	var e echo
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	return e
}

func (p *testPlatform) status(name string) schema.FunctionStatus {
	p.t.Helper()
	_, text := p.want(http.StatusOK, "GET", "/system/function/"+name, nil)
	var s schema.FunctionStatus
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// eventually polls until ok, for ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func alive(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !bytes.Contains(b, []byte(") Z "))
}
