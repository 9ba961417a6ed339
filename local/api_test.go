//go:build unix

package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/processtest"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

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
	res, err := http.Get(p.in.URL() + "/function/hello/sse") //nolint:noctx // the server ends it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for i := range 3 {
		want := fmt.Sprintf("data: %d\n\n", i)
		event := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, event); err != nil || string(event) != want { // one that is held back would block here for ever
			t.Fatalf("%q, %v", event, err)
		}
		p.want(http.StatusOK, "POST", "/function/hello/next", "")
	}
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
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
		defer cancel()
		eventually(t, "the call begins", func() bool {
			_, metrics := p.do("GET", "/metrics", nil)
			return strings.Contains(metrics, `gateway_function_invocation_started{function_name="hello.openfaas-fn"} 1`)
		})
	}()
	if _, err := http.DefaultClient.Do(req); err == nil { //nolint:bodyclose // there is none
		t.Error("an answer came")
	}
	eventually(t, "the call is counted as given up", func() bool {
		_, metrics := p.do("GET", "/metrics", nil)
		return strings.Contains(metrics, `gateway_function_invocation_total{code="499",function_name="hello.openfaas-fn"} 1`)
	})
}
