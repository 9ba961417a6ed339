//go:build unix

package local

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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
		Runtimes: func(_ context.Context, h Host) ([]runtime.Runtime, error) {
			return []runtime.Runtime{runtime.NewProcess(runtime.ProcessConfig{
				Dir: h.RuntimeDir(runtime.Process), Images: h.Images, Supervisor: processtest.Supervisor(),
				GatewayURL: h.GatewayURL, Path: os.Getenv("PATH"), Log: log,
			})}, nil
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
	if err := store.MarkNative(h); err != nil {
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

func TestPlatformScalesToZeroAndBackOnACall(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	p.want(http.StatusAccepted, "POST", "/system/scale-function/hello", schema.ScaleServiceRequest{ServiceName: "hello"})
	eventually(t, "no replica", func() bool { return p.status("hello").AvailableReplicas == 0 })
	p.call("/function/hello", "")
	p.want(http.StatusAccepted, "POST", "/system/scale-function/hello", schema.ScaleServiceRequest{ServiceName: "hello", Replicas: 3})
	eventually(t, "three replicas", func() bool { return p.status("hello").AvailableReplicas == 3 })
	pids := map[int]bool{}
	for range 9 {
		pids[p.call("/function/hello", "").PID] = true
	}
	if len(pids) != 3 {
		t.Errorf("calls went to %d of 3 replicas", len(pids))
	}
	p.want(http.StatusNotFound, "POST", "/system/scale-function/other", schema.ScaleServiceRequest{})
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

func TestPlatformRefusesDeploymentsThatCannotWork(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	foreign, err := registry.Open(ImagesDir(p.dir)).WriteImage(t.Context(), "foreign", processtest.Image(t, "A=b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		change     func(d *schema.FunctionDeployment)
	}{
		{"path as a name", "not valid", func(d *schema.FunctionDeployment) { d.Service = "../x" }},
		{"upper case", "not valid", func(d *schema.FunctionDeployment) { d.Service = "Hello" }},
		{"64 characters", "not valid", func(d *schema.FunctionDeployment) { d.Service = strings.Repeat("a", 64) }},
		{"no image", "no image", func(d *schema.FunctionDeployment) { d.Image = "" }},
		{"unknown image", "nowhere", func(d *schema.FunctionDeployment) { d.Image = "nowhere/x:1" }},
		{"image from elsewhere", "native", func(d *schema.FunctionDeployment) { d.Image = "foreign@" + foreign.String() }},
		{"unknown secret", "unable to find secret: s1", func(d *schema.FunctionDeployment) { d.Secrets = []string{"s1"} }},
		{"unknown namespace", "namespace not valid", func(d *schema.FunctionDeployment) { d.Namespace = "dev" }},
		{"path as a namespace", "namespace not valid", func(d *schema.FunctionDeployment) { d.Namespace = "../.." }},
		{"memory", "64Q", func(d *schema.FunctionDeployment) { d.Limits = &schema.FunctionResources{Memory: "64Q"} }},
	} {
		d := deployment("hello")
		test.change(&d)
		if res, text := p.do("POST", "/system/functions", d); res.StatusCode != http.StatusBadRequest || !strings.Contains(text, test.want) {
			t.Errorf("%s: %s: %s", test.name, res.Status, text)
		}
	}
	p.want(http.StatusBadRequest, "POST", "/system/functions", "{")
	if _, list := p.want(http.StatusOK, "GET", "/system/functions", nil); list != "[]" {
		t.Errorf("something was deployed: %s", list)
	}
}

func TestPlatformGivesSecretsAndUpdatesThemInPlace(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.want(http.StatusCreated, "POST", "/system/secrets", schema.Secret{Name: "s1", Value: "one"})
	p.want(http.StatusConflict, "POST", "/system/secrets", schema.Secret{Name: "s1", Value: "again"})
	p.want(http.StatusBadRequest, "POST", "/system/secrets", schema.Secret{Name: "../s1", Value: "x"})
	p.want(http.StatusNotFound, "PUT", "/system/secrets", schema.Secret{Name: "s2", Value: "x"})
	if _, list := p.want(http.StatusOK, "GET", "/system/secrets", nil); list != `[{"name":"s1","namespace":"openfaas-fn"}]` {
		t.Errorf("list: %s", list)
	}
	d := deployment("hello")
	d.Secrets = []string{"s1"}
	res, _ := p.want(http.StatusAccepted, "POST", "/system/functions", d)
	path := runtime.SecretsPath
	if warnings := res.Header["Warning"]; len(warnings) > 0 { // a system without private mounts
		path = p.variables("hello")[runtime.SecretsDirVariable]
	}
	if _, got := p.want(http.StatusOK, "GET", "/function/hello/file?path="+path+"/s1", nil); got != "one" {
		t.Errorf("the function reads %q", got)
	}
	p.want(http.StatusAccepted, "PUT", "/system/secrets", schema.Secret{Name: "s1", RawValue: []byte{0, 0xff}})
	if _, got := p.want(http.StatusOK, "GET", "/function/hello/file?path="+path+"/s1", nil); got != "\x00\xff" {
		t.Errorf("after an update the function reads %q", got)
	}
	if _, err := os.Stat(runtime.SecretsPath + "/s1"); err == nil {
		t.Error("the secret can be seen outside the function")
	}
	p.want(http.StatusAccepted, "DELETE", "/system/secrets", schema.Secret{Name: "s1"})
	p.want(http.StatusNotFound, "DELETE", "/system/secrets", schema.Secret{Name: "s1"})
	p.want(http.StatusNotFound, "GET", "/function/hello/file?path="+path+"/s1", nil)
}

// variables are the environment that a function has.
func (p *testPlatform) variables(name string) map[string]string {
	p.t.Helper()
	_, text := p.want(http.StatusOK, "GET", "/function/"+name+"/env", nil)
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		p.t.Fatal(err)
	}
	env := map[string]string{}
	for _, kv := range list {
		key, value, _ := strings.Cut(kv, "=")
		env[key] = value
	}
	return env
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

func TestPlatformRunsAsyncCallsAndDeliversResults(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	type delivery struct {
		header http.Header
		body   string
	}
	results := make(chan delivery, 1)
	callback := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		results <- delivery{r.Header, string(b)}
	}))
	defer callback.Close()
	res, _ := p.want(http.StatusAccepted, "POST", "/async-function/hello/p?status=418", "hi", func(r *http.Request) {
		r.Header.Set("X-Callback-Url", callback.URL)
	})
	id := res.Header.Get("X-Call-Id")
	if id == "" || res.Header.Get("X-Start-Time") == "" {
		t.Errorf("headers: %v", res.Header)
	}
	got := <-results
	for key, want := range map[string]string{"X-Call-Id": id, "X-Function-Status": "418", "X-Function-Name": "hello"} {
		if got.header.Get(key) != want {
			t.Errorf("callback: %s is %q, want %q", key, got.header.Get(key), want)
		}
	}
	if got.header.Get("X-Duration-Seconds") == "" || got.header.Get("X-Start-Time") != res.Header.Get("X-Start-Time") || !strings.Contains(got.body, `"body":"hi"`) {
		t.Errorf("callback: %v %s", got.header, got.body)
	}
	p.want(http.StatusMethodNotAllowed, "GET", "/async-function/hello", nil)
	p.want(http.StatusNotFound, "POST", "/async-function/other", "")
	p.want(http.StatusBadRequest, "POST", "/async-function/hello", "", func(r *http.Request) { r.Header.Set("X-Callback-Url", "file:///etc/passwd") })
}

func TestPlatformDrainsTheQueueWhenItStops(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	done := make(chan string, 100)
	callback := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { done <- r.Header.Get("X-Function-Status") }))
	defer callback.Close()
	for range 40 {
		p.want(http.StatusAccepted, "POST", "/async-function/hello/sleep?ms=100", "", func(r *http.Request) { r.Header.Set("X-Callback-Url", callback.URL) })
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if len(done) != 40 {
		t.Fatalf("%d of 40 calls were made", len(done))
	}
	for range 40 {
		if status := <-done; status != "200" {
			t.Errorf("a call was answered %s", status)
		}
	}
}

func TestPlatformStreamsLogs(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	p.want(http.StatusOK, "POST", "/function/hello/log?text=line&n=5", "")
	eventually(t, "five lines", func() bool {
		_, text := p.want(http.StatusOK, "GET", "/system/logs?name=hello", nil)
		return strings.Count(text, `"text":"line`) == 5
	})
	res, text := p.want(http.StatusOK, "GET", "/system/logs?name=hello&tail=2", nil)
	var m schema.LogMessage
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if err := json.Unmarshal([]byte(lines[0]), &m); err != nil || len(lines) != 2 || m.Text != "line 3\n" || m.Name != "hello" || m.Namespace != "openfaas-fn" || m.Instance == "" || m.Timestamp.IsZero() {
		t.Errorf("%v: %s", err, text)
	}
	if got := res.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("content type %q", got)
	}
	if _, text := p.want(http.StatusOK, "GET", "/system/logs?name=hello&since="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339), nil); text != "" {
		t.Errorf("lines of the future: %s", text)
	}
	for _, query := range []string{"name=hello&since=x", "name=hello&tail=x", "name=hello&follow=x", "tail=1"} {
		p.want(http.StatusUnprocessableEntity, "GET", "/system/logs?"+query, nil)
	}
	p.want(http.StatusNotFound, "GET", "/system/logs?name=other", nil)

	req, err := http.NewRequestWithContext(t.Context(), "GET", p.in.URL()+"/system/logs?name=hello&follow=1&tail=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := p.in.Credentials()
	req.SetBasicAuth(user, password)
	follow, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = follow.Body.Close() }()
	dec := json.NewDecoder(follow.Body)
	if err := dec.Decode(&m); err != nil || m.Text != "line 4\n" {
		t.Fatalf("%v: %+v", err, m)
	}
	p.do("POST", "/function/hello/exit?code=0", "")
	p.want(http.StatusOK, "POST", "/function/hello/log?text=afterwards", "")
	for !strings.HasPrefix(m.Text, "afterwards") { // of another replica
		if err := dec.Decode(&m); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.stop(); err != nil { // which a stream does not hold up
		t.Fatal(err)
	}
}

func TestPlatformNamespaces(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	n := schema.FunctionNamespace{Name: "dev", Labels: map[string]string{"openfaas": "1"}}
	p.want(http.StatusCreated, "POST", "/system/namespace/", n)
	p.want(http.StatusConflict, "POST", "/system/namespace/", n)
	p.want(http.StatusBadRequest, "POST", "/system/namespace/", schema.FunctionNamespace{Name: "../x"})
	if _, list := p.want(http.StatusOK, "GET", "/system/namespaces", nil); list != `["openfaas-fn","dev"]` {
		t.Errorf("list: %s", list)
	}
	n.Labels["a"] = "b"
	p.want(http.StatusAccepted, "PUT", "/system/namespace/dev", n)
	if _, got := p.want(http.StatusOK, "GET", "/system/namespace/dev", nil); !strings.Contains(got, `"a":"b"`) {
		t.Errorf("namespace: %s", got)
	}
	d := deployment("hello", "version=dev")
	d.Namespace = "dev"
	p.want(http.StatusAccepted, "POST", "/system/functions", d)
	p.deploy("hello", "version=default")
	if e := p.call("/function/hello.dev", ""); e.Version != "dev" {
		t.Errorf("version %q answers in dev", e.Version)
	}
	p.want(http.StatusAccepted, "DELETE", "/system/namespace/dev", n)
	p.want(http.StatusNotFound, "DELETE", "/system/namespace/dev", n)
	p.want(http.StatusNotFound, "POST", "/function/hello.dev", "")
	p.call("/function/hello", "")
	p.want(http.StatusBadRequest, "DELETE", "/system/namespace/openfaas-fn", n)
}

func TestPlatformWantsItsPassword(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	for _, auth := range []string{"", "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:wrong")), "Bearer x"} {
		res, text := p.want(http.StatusUnauthorized, "GET", "/system/functions", nil, func(r *http.Request) { r.Header.Set("Authorization", auth) })
		if res.Header.Get("WWW-Authenticate") != `Basic realm="Restricted"` || text != "invalid credentials" {
			t.Errorf("%v %q", res.Header, text)
		}
	}
	if _, text := p.want(http.StatusOK, "GET", "/healthz", nil); text != "OK" {
		t.Errorf("healthz: %s", text)
	}
	for _, name := range []string{keyFile, passwordFile, instanceFile} {
		fi, err := os.Stat(filepath.Join(p.dir, name))
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi.Mode(), err)
		}
	}
}

func TestPlatformAnswersNoOtherHostAndNoOtherSite(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir(), func(o *Options) { o.Origins = []string{"http://page.example"} })
	p.deploy("hello")
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	_, port, _ := strings.Cut(p.in.Address, ":")
	for _, path := range []string{"/function/hello", "/async-function/hello", "/system/functions", "/healthz", "/metrics", provePath} {
		p.want(http.StatusMisdirectedRequest, "POST", path, "", host("evil.example:"+port))
		p.want(http.StatusMisdirectedRequest, "GET", path, nil, host("localhost:1"))
	}
	p.want(http.StatusOK, "GET", "/healthz", nil, host("LOCALHOST:"+port))
	for _, path := range []string{"/function/hello", "/async-function/hello", "/system/functions"} {
		p.want(http.StatusForbidden, "POST", path, "", header("Sec-Fetch-Site", "cross-site"))
		p.want(http.StatusForbidden, "POST", path, "", header("Sec-Fetch-Site", "same-site"))
		p.want(http.StatusForbidden, "POST", path, "", header("Origin", "http://evil.example"))
	}
	p.want(http.StatusForbidden, "GET", "/function/hello", nil, header("Sec-Fetch-Site", "cross-site"))
	p.want(http.StatusOK, "GET", "/function/hello", nil, header("Sec-Fetch-Site", "none"))

	allowed := func(r *http.Request) {
		r.Header.Set("Origin", "http://page.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	res, _ := p.want(http.StatusOK, "POST", "/function/hello", "", allowed)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "http://page.example" {
		t.Errorf("allowed origin %q", got)
	}
	p.want(http.StatusNoContent, "OPTIONS", "/function/hello", nil, allowed, header("Access-Control-Request-Method", "PUT"))
	p.want(http.StatusForbidden, "POST", "/system/functions", "", allowed)
}

func TestInstanceProvesItself(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	in, err := Discover(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Prove(t.Context(), http.DefaultClient); err != nil {
		t.Error(err)
	}
	// A program on another port that passes the challenge on gets an answer for the wrong address.
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, text := p.do(r.Method, r.URL.RequestURI(), nil)
		_, _ = io.WriteString(w, text)
	}))
	defer relay.Close()
	in.Address = strings.TrimPrefix(relay.URL, "http://")
	if err := in.Prove(t.Context(), http.DefaultClient); err == nil {
		t.Error("a relay is taken for the platform")
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

func TestPlatformStreamsBodiesBothWays(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello", "echo=1")
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", p.in.URL()+"/function/hello", r)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(w, "ping") }()
	res, err := http.DefaultClient.Do(req) // while the body of the request goes on
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for _, word := range []string{"ping", "pong"} {
		b := make([]byte, len(word))
		if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != word {
			t.Fatalf("%q, %v", b, err)
		}
		_, _ = io.WriteString(w, "pong")
	}
	_ = w.Close()
}

func TestPlatformPassesEventsOnAsTheyCome(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	began := time.Now()
	res, err := http.Get(p.in.URL() + "/function/hello/sse") //nolint:noctx // the server ends it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	first := make([]byte, len("data: 0\n\n"))
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	early := time.Since(began)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "data: 1\n\ndata: 2\n\n" {
		t.Errorf("%q, %v", rest, err)
	}
	if all := time.Since(began); all-early < 50*time.Millisecond {
		t.Errorf("the first event came after %s, the last after %s", early, all)
	}
}

func TestPlatformEndsACallWhoseCallerIsGone(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", p.in.URL()+"/function/hello/sleep?ms=60000", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		eventually(t, "the call begins", func() bool {
			_, metrics := p.do("GET", "/metrics", nil)
			return strings.Contains(metrics, `gateway_function_invocation_started{function_name="hello.openfaas-fn"} 1`)
		})
		cancel()
	}()
	if _, err := http.DefaultClient.Do(req); err == nil { //nolint:bodyclose // there is none
		t.Error("an answer came")
	}
	eventually(t, "the call is counted as given up", func() bool {
		_, metrics := p.do("GET", "/metrics", nil)
		return strings.Contains(metrics, `gateway_function_invocation_total{code="499",function_name="hello.openfaas-fn"} 1`)
	})
}
