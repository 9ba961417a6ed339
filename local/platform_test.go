//go:build unix

package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

func TestPlatformServesAFunctionFromDeploymentToRemoval(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello", "version=one")

	e := p.call("/function/hello/a//b%2Fc?x=1;2", "hi")
	if e.Method != "POST" || e.Path != "/a//b%2Fc" || e.Query != "x=1;2" || e.Body != "hi" || e.Version != "one" || e.Dir != "app" {
		t.Errorf("the function got %+v", e)
	}
	if e.Headers["X-Call-Id"] == "" || e.Headers["X-Start-Time"] == "" || e.Headers["X-Forwarded-Host"] == "" {
		t.Errorf("headers: %v", e.Headers)
	}
	p.call("/function/hello.openfaas-fn", "")

	p.want(http.StatusConflict, "POST", "/system/functions", deployment("hello"))
	p.want(http.StatusNotFound, "PUT", "/system/functions", deployment("other"))
	p.want(http.StatusAccepted, "PUT", "/system/functions", deployment("hello", "version=two"))
	if e := p.call("/function/hello", ""); e.Version != "two" {
		t.Errorf("after an update, version %q answers", e.Version)
	}
	s := p.status("hello")
	if s.Replicas != 1 || s.AvailableReplicas != 1 || s.InvocationCount != 3 || s.CreatedAt.IsZero() || s.Namespace != "openfaas-fn" {
		t.Errorf("status: %+v", s)
	}
	_, list := p.want(http.StatusOK, "GET", "/system/functions", nil)
	if !strings.Contains(list, `"name":"hello"`) || !strings.Contains(list, `"labels":{}`) {
		t.Errorf("list: %s", list)
	}
	_, metrics := p.want(http.StatusOK, "GET", "/metrics", nil)
	for _, want := range []string{
		`gateway_function_invocation_total{code="200",function_name="hello.openfaas-fn"} 3`,
		`gateway_functions_seconds_count{code="200",function_name="hello.openfaas-fn"} 3`,
		`gateway_service_count{function_name="hello.openfaas-fn"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	p.want(http.StatusAccepted, "DELETE", "/system/functions", schema.DeleteFunctionRequest{FunctionName: "hello"})
	p.want(http.StatusNotFound, "DELETE", "/system/functions", schema.DeleteFunctionRequest{FunctionName: "hello"})
	p.want(http.StatusNotFound, "POST", "/function/hello", "")
	p.want(http.StatusNotFound, "GET", "/system/function/hello", nil)
}

func TestPlatformRestartsAFunctionThatEnds(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	first := p.call("/function/hello", "").PID
	p.want(http.StatusBadGateway, "POST", "/function/hello/exit?code=7", "")
	if second := p.call("/function/hello", "").PID; second == first {
		t.Error("the same process answers")
	}
}

func TestPlatformKeepsTheOldReplicaWhenAnUpdateFails(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello", "version=one")
	_, text := p.want(http.StatusInternalServerError, "PUT", "/system/functions", deployment("hello", "version=two", "crash=1"))
	if !strings.Contains(text, "exited with code 3") || !strings.Contains(text, "about to crash") {
		t.Errorf("the answer does not say why: %s", text)
	}
	if e := p.call("/function/hello", ""); e.Version != "one" {
		t.Errorf("version %q answers", e.Version)
	}
	if s := p.status("hello"); s.EnvVars["version"] != "one" {
		t.Errorf("recorded: %v", s.EnvVars)
	}
}

// portThief is a runtime whose first replicas end because another program listens on their port.
type portThief struct {
	runtime.Runtime
	t      *testing.T
	thefts atomic.Int32 // still to come
}

func (p *portThief) Start(ctx context.Context, s runtime.Spec) (runtime.Replica, error) {
	if p.thefts.Add(-1) < 0 {
		return p.Runtime.Start(ctx, s)
	}
	s.Env = maps.Clone(s.Env)
	s.Env["crash"] = "1"
	r, err := p.Runtime.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	<-r.Done()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", r.Info().Address)
	if err != nil {
		return nil, err
	}
	p.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return r, nil
}

func TestPlatformGivesAFunctionThatLostItsPortAnother(t *testing.T) {
	t.Parallel()
	thief := &portThief{t: t}
	thief.thefts.Store(portTries - 1)
	p := startPlatform(t, t.TempDir(), func(o *Options) {
		native := o.Runtimes
		o.Runtimes = func(h Host) []RuntimeSource {
			source := native(h)[0]
			connect := source.Connect
			source.Connect = func(ctx context.Context) (rt runtime.Runtime, err error) {
				thief.Runtime, err = connect(ctx)
				return thief, err
			}
			return []RuntimeSource{source}
		}
	})
	p.deploy("hello", "version=one")
	if e := p.call("/function/hello", ""); e.Version != "one" || thief.thefts.Load() >= 0 {
		t.Errorf("version %q answers, %d ports are left to be taken", e.Version, thief.thefts.Load())
	}
	thief.thefts.Store(portTries)
	_, text := p.want(http.StatusInternalServerError, "PUT", "/system/functions", deployment("hello", "version=two"))
	if !strings.Contains(text, "another program took its port: ") {
		t.Errorf("the answer does not say why: %s", text)
	}
}

func TestPlatformKeepsANewFunctionThatCrashesForItsLogs(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.want(http.StatusInternalServerError, "POST", "/system/functions", deployment("hello", "crash=1"))
	if s := p.status("hello"); s.Replicas != 1 || s.AvailableReplicas != 0 {
		t.Errorf("status: %+v", s)
	}
	_, logs := p.want(http.StatusOK, "GET", "/system/logs?name=hello", nil)
	if !strings.Contains(logs, "about to crash") {
		t.Errorf("logs: %s", logs)
	}
	p.want(http.StatusAccepted, "PUT", "/system/functions", deployment("hello"))
	p.call("/function/hello", "")
}

func TestPlatformStopsOnlyWhenRetiredReplicasHaveEnded(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	for name, retire := range map[string]func(){
		"updated": func() { p.want(http.StatusAccepted, "PUT", "/system/functions", deployment("updated")) },
		"scaled": func() {
			p.want(http.StatusAccepted, "POST", "/system/scale-function/scaled", map[string]any{"serviceName": "scaled", "replicas": 0})
		},
	} {
		p.want(http.StatusAccepted, "POST", "/system/functions", deployment(name, "linger=1s"))
		retire()
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(p.dir, "process", "run", "*-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("replicas that still run: %q, %v", left, err)
	}
}

func TestPlatformGivesAProcessNothingOfTheUsersEnvironment(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	d := deployment("hello", "own=1")
	d.EnvProcess = "node index.js"
	p.want(http.StatusAccepted, "POST", "/system/functions", d)
	env := p.variables("hello")
	for key, want := range map[string]string{
		"own": "1", "fprocess": "node index.js", "OPENFAAS_NAME": "hello", "OPENFAAS_NAMESPACE": "openfaas-fn",
		"PATH": os.Getenv("PATH"), "gateway_url": p.in.URL(), "bind_address": "127.0.0.1",
	} {
		if env[key] != want {
			t.Errorf("%s is %q, want %q", key, env[key], want)
		}
	}
	for _, key := range []string{"HOME", "TMPDIR", "GREETING"} {
		if !strings.HasPrefix(env[key], p.dir) {
			t.Errorf("%s=%s is not within the state folder", key, env[key])
		}
	}
	known := []string{"own", "fprocess", "OPENFAAS_NAME", "OPENFAAS_NAMESPACE", "PATH", "gateway_url", "bind_address", "HOME", "TMPDIR", "GREETING", "port", "PORT", runtime.SecretsDirVariable}
	for key := range env {
		if !slices.Contains(known, key) {
			t.Errorf("%s got in", key)
		}
	}
	if _, err := os.Stat(filepath.Dir(env["GREETING"])); err != nil {
		t.Error(err)
	}
	if f, err := os.OpenFile(env["GREETING"], os.O_WRONLY, 0); err == nil && os.Getuid() != 0 {
		_ = f.Close()
		t.Error("the unpacked image can be written to")
	}
}

func TestPlatformEndsWhatAFunctionStarted(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello", "deaf=1")
	_, child := p.want(http.StatusOK, "POST", "/function/hello/spawn", "")
	if !alive(child) {
		t.Skip("no /proc to look at")
	}
	first := p.call("/function/hello", "").PID
	p.want(http.StatusBadGateway, "POST", "/function/hello/exit?code=0", "")
	eventually(t, "the child of an ended function ends", func() bool { return !alive(child) && !alive(fmt.Sprint(first)) })
	_, child = p.want(http.StatusOK, "POST", "/function/hello/spawn", "")
	p.want(http.StatusAccepted, "POST", "/system/functions", deployment("other"))
	other := p.call("/function/other", "").PID
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if alive(child) || alive(fmt.Sprint(other)) {
		t.Error("something lives on after the platform has stopped")
	}
}

func TestPlatformEndsAFunctionThatExceedsItsMemory(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	d := deployment("hello")
	d.Limits = &schema.FunctionResources{Memory: "200Mi"}
	p.want(http.StatusAccepted, "POST", "/system/functions", d)
	first := p.call("/function/hello", "").PID
	p.do("POST", "/function/hello/eat?mib=300", "")
	eventually(t, "another process", func() bool {
		_, text := p.do("POST", "/function/hello", "") // which may meet the process as it ends
		var e echo
		return json.Unmarshal([]byte(text), &e) == nil && e.PID != first
	})
	if !strings.Contains(p.logs.String(), "exceeded its memory limit") {
		t.Error("the platform's log does not say why")
	}
}

func TestPlatformBringsFunctionsBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startPlatform(t, dir)
	p.deploy("hello", "version=one")
	id := p.in.ID
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := Discover(dir); err == nil {
		t.Error("a stopped platform is discovered")
	}
	p = startPlatform(t, dir)
	if p.in.ID != id {
		t.Error("the instance has another ID")
	}
	if e := p.call("/function/hello", ""); e.Version != "one" {
		t.Errorf("version %q answers", e.Version)
	}
}

func TestRunSaysWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	err := Run(t.Context(), testOptions(p.dir, io.Discard), func(Instance) { t.Error("a second platform runs") })
	var running *RunningError
	if !asError(err, &running) || running.Instance.Address != p.in.Address {
		t.Errorf("second start: %v", err)
	}
	o := testOptions(t.TempDir(), io.Discard)
	_, port, _ := strings.Cut(p.in.Address, ":")
	_, _ = fmt.Sscan(port, &o.Port)
	err = Run(t.Context(), o, func(Instance) { t.Error("a platform runs on a taken port") })
	var taken *PortError
	if !asError(err, &taken) || taken.Port != o.Port || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("taken port: %v", err)
	}
}
