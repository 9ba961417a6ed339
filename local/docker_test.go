//go:build docker && unix

package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

// withDocker makes a platform run its functions as containers of the engine behind c, and removes them after the test.
func withDocker(t testing.TB, connect func() *engine.Client) func(*Options) {
	t.Helper()
	return func(o *Options) {
		o.Runtime = "docker"
		o.Runtimes = func(h Host) []RuntimeSource {
			return []RuntimeSource{{Kind: runtime.Docker, Required: true, Connect: func(ctx context.Context) (runtime.Runtime, error) {
				return runtime.NewDocker(ctx, runtime.DockerOptions{
					Engine: connect(), Instance: h.ID, Dir: h.RuntimeDir(runtime.Docker), Image: h.Images.ByHash,
				}), nil
			}}}
		}
		dir, runtimes := o.Dir, o.Runtimes
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
			defer cancel()
			if err := Purge(ctx, dir, runtimes); err != nil {
				t.Errorf("purge: %v", err)
			}
		})
	}
}

// dockerPlatform runs a platform with a function image. Purge comes after the platform's own stop: clean-ups run in
// reverse.
func dockerPlatform(t testing.TB, connect func() *engine.Client) (p *testPlatform, image string) {
	t.Helper()
	image = enginetest.Name("faas-cli-test/function") + ":1"
	enginetest.FunctionImage(t, enginetest.Connect(t), image)
	dir := t.TempDir()
	return startPlatform(t, dir, withDocker(t, connect)), image
}

func containerOf(image string, env ...string) schema.FunctionDeployment {
	d := schema.FunctionDeployment{Service: "fn", Image: image, EnvVars: map[string]string{}}
	for i := 0; i < len(env); i += 2 {
		d.EnvVars[env[i]] = env[i+1]
	}
	return d
}

func TestDockerFunctionsCallEachOther(t *testing.T) {
	t.Parallel()
	p, image := dockerPlatform(t, func() *engine.Client { return enginetest.Connect(t) })
	one, two := containerOf(image, "VERSION", "one"), containerOf(image, "VERSION", "two")
	two.Service = "second"
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", one)
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", two)
	_, env := p.want(http.StatusOK, http.MethodGet, "/function/fn/env", nil)
	var gateway string
	for line := range strings.SplitSeq(env, "\n") {
		if v, ok := strings.CutPrefix(line, "gateway_url="); ok {
			gateway = v
		}
	}
	if gateway == "" {
		t.Fatalf("no gateway_url in:\n%s", env)
	}
	call := func(path string) string { return "/function/fn/get?url=" + url.QueryEscape(gateway+path) }
	if _, body := p.want(http.StatusOK, http.MethodGet, call("/function/second"), nil); !strings.HasPrefix(body, "hello from two") {
		t.Errorf("one calling the other: %q", body)
	}
	for _, path := range []string{"/system/functions", "/system/info", "/metrics", "/healthz"} {
		p.want(http.StatusNotFound, http.MethodGet, call(path), nil)
	}
}

func TestDockerFailedUpdateKeepsTheOldReplica(t *testing.T) {
	t.Parallel()
	p, image := dockerPlatform(t, func() *engine.Client { return enginetest.Connect(t) })
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", containerOf(image, "VERSION", "one"))
	hello := func() (int, string) {
		res, body := p.do(http.MethodGet, "/function/fn", nil)
		return res.StatusCode, body
	}
	if res, body := p.do(http.MethodPut, "/system/functions", containerOf(image, "VERSION", "two", "MODE", "exit")); res.StatusCode < 400 {
		t.Errorf("an update that exits at once: %s %s", res.Status, body)
	}
	if code, body := hello(); code != http.StatusOK || !strings.HasPrefix(body, "hello from one") {
		t.Errorf("after the failed update: %d %q", code, body)
	}
	// Callers during an update that succeeds notice nothing but the new answer.
	stop := make(chan struct{})
	var g sync.WaitGroup
	g.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if code, body := hello(); code != http.StatusOK {
				t.Errorf("during the update: %d %q", code, body)
				return
			}
		}
	})
	p.want(http.StatusAccepted, http.MethodPut, "/system/functions", containerOf(image, "VERSION", "three", "HEALTHY_AFTER", "1s"))
	close(stop)
	g.Wait()
	if code, body := hello(); code != http.StatusOK || !strings.HasPrefix(body, "hello from three") {
		t.Errorf("after the update: %d %q", code, body)
	}
}

func TestDockerDeployNeverHealthySaysWhy(t *testing.T) {
	t.Parallel()
	image := enginetest.Name("faas-cli-test/function") + ":1"
	enginetest.FunctionImage(t, enginetest.Connect(t), image)
	docker := withDocker(t, func() *engine.Client { return enginetest.Connect(t) })
	// Also for the version that becomes healthy: as long as a container may take to start on a busy machine.
	p := startPlatform(t, t.TempDir(), docker, func(o *Options) { o.StartLimit = 10 * time.Second })
	why := func(method string, d schema.FunctionDeployment) {
		t.Helper()
		_, body := p.want(http.StatusInternalServerError, method, "/system/functions", d)
		for _, want := range []string{"function fn", "did not become healthy in time", "/_/health answered 503"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s answered %q, which lacks %q", method, body, want)
			}
		}
	}
	why(http.MethodPost, containerOf(image, "MODE", "sick"))
	p.want(http.StatusAccepted, http.MethodPut, "/system/functions", containerOf(image, "VERSION", "one"))
	why(http.MethodPut, containerOf(image, "VERSION", "two", "MODE", "sick"))
	if _, body := p.want(http.StatusOK, http.MethodGet, "/function/fn", nil); !strings.HasPrefix(body, "hello from one") {
		t.Errorf("after the failed update: %q", body)
	}
}

func TestDockerFunctionsComeBackWithTheEngine(t *testing.T) {
	t.Parallel()
	p, proxy, image := throughProxy(t)
	direct := enginetest.Connect(t)
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", containerOf(image, "VERSION", "one"))
	ours := func() []engine.Container {
		list, err := direct.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+p.in.ID)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	proxy.Cut()
	for _, c := range ours() { // as an engine that stops does
		if err := direct.StopContainer(t.Context(), c.ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	if res, body := p.do(http.MethodPut, "/system/functions", containerOf(image, "VERSION", "two")); res.StatusCode < 400 {
		t.Errorf("a deployment without engine: %s %s", res.Status, body)
	}
	proxy.Restore(t)
	soon(t, func() error {
		res, body := p.do(http.MethodGet, "/function/fn", nil)
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(body, "hello from one") {
			return errors.New(res.Status + " " + body)
		}
		return nil
	})
	running := 0
	for _, c := range ours() {
		if c.Running() {
			running++
		}
	}
	if running != 1 {
		t.Errorf("%d containers run", running)
	}
}

func TestDockerEngineStopsInTheMiddleOfADeploy(t *testing.T) {
	t.Parallel()
	p, proxy, image := throughProxy(t)
	direct := enginetest.Connect(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.do(http.MethodPost, "/system/functions", containerOf(image, "VERSION", "one", "HEALTHY_AFTER", "2s"))
	}()
	soon(t, func() error { // the engine goes while the function starts
		list, err := direct.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+p.in.ID)
		if err == nil && len(list) == 0 {
			err = errors.New("no container yet")
		}
		return err
	})
	proxy.Cut()
	time.Sleep(200 * time.Millisecond) // any outage will do: what follows waits for its own conditions
	proxy.Restore(t)
	<-done
	if res, _ := p.do(http.MethodGet, "/system/function/fn", nil); res.StatusCode == http.StatusNotFound {
		p.want(http.StatusAccepted, http.MethodPost, "/system/functions", containerOf(image, "VERSION", "one"))
	}
	soon(t, func() error {
		res, body := p.do(http.MethodGet, "/function/fn", nil)
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status + " " + body)
		}
		return nil
	})
	p.want(http.StatusAccepted, http.MethodDelete, "/system/functions", map[string]string{"functionName": "fn"})
	soon(t, func() error { // and nothing is left over, from the interrupted start either
		list, err := direct.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+p.in.ID)
		if err == nil && len(list) > 0 {
			err = errors.New(list[0].Name + " is " + list[0].State)
		}
		return err
	})
}

// throughProxy runs a platform through a proxy, which the caller cuts; its purge goes without.
func throughProxy(t *testing.T) (p *testPlatform, proxy *enginetest.Proxy, image string) {
	t.Helper()
	p, image = dockerPlatform(t, func() *engine.Client {
		var c *engine.Client
		if proxy == nil {
			proxy, c = enginetest.NewProxy(t)
			return c
		}
		return enginetest.Connect(t)
	})
	return p, proxy, image
}

// ownContainers are those of the platform, as the engine itself sees them.
func ownContainers(t *testing.T, direct *engine.Client, p *testPlatform) []engine.Container {
	t.Helper()
	list, err := direct.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+p.in.ID)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDockerEngineNeverReturnsToADeploy: whoever deploys hears of it long before a function could have become healthy.
func TestDockerEngineNeverReturnsToADeploy(t *testing.T) {
	t.Parallel()
	p, proxy, image := throughProxy(t)
	direct := enginetest.Connect(t)
	cutDuring := func(method string, d schema.FunctionDeployment, when func() error, want string) {
		t.Helper()
		d.EnvVars["HEALTHY_AFTER"] = "1h"
		type answer struct {
			status int
			text   string
		}
		done := make(chan answer)
		go func() {
			res, text := p.do(method, "/system/functions", d)
			done <- answer{res.StatusCode, text}
		}()
		soon(t, when)
		proxy.Cut()
		cut := time.Now()
		a := <-done
		if a.status != http.StatusInternalServerError || !strings.Contains(a.text, want) {
			t.Errorf("%s answered %d %s", method, a.status, a.text)
		}
		if took := time.Since(cut); took > 25*time.Second {
			t.Errorf("%s was answered %s after the engine went away", method, took)
		}
	}
	running := func(n int) error {
		list := slices.DeleteFunc(ownContainers(t, direct, p), func(c engine.Container) bool { return !c.Running() })
		if len(list) != n {
			return fmt.Errorf("%d containers run", len(list))
		}
		return nil
	}
	probed := func() error { // a replica that is held, and so tells its usage, has only to become healthy
		if _, text := p.do(http.MethodGet, "/system/function/fn?usage=1", nil); !strings.Contains(text, `"usage"`) {
			return errors.New("no replica: " + text)
		}
		return nil
	}
	cutDuring(http.MethodPost, containerOf(image, "VERSION", "one"), probed,
		"the container engine went away while the function started: no container engine (unix://")
	if s := p.status("fn"); s.Replicas != 1 || s.AvailableReplicas != 0 {
		t.Errorf("after the deploy: %+v", s)
	}
	proxy.Restore(t)
	p.want(http.StatusAccepted, http.MethodPut, "/system/functions", containerOf(image, "VERSION", "two"))
	soon(t, func() error { return running(1) }) // nothing is left of the interrupted start
	cutDuring(http.MethodPut, containerOf(image, "VERSION", "three"), func() error { return running(2) }, "no container engine (unix://")
	if _, text := p.want(http.StatusOK, http.MethodGet, "/function/fn", nil); !strings.HasPrefix(text, "hello from two") { // its container runs on
		t.Errorf("after the update: %s", text)
	}

	// What cannot be removed now is removed when the engine is back.
	p.want(http.StatusAccepted, http.MethodDelete, "/system/functions", map[string]string{"functionName": "fn"})
	p.want(http.StatusNotFound, http.MethodGet, "/system/function/fn", nil)
	proxy.Restore(t)
	soon(t, func() error {
		if list := ownContainers(t, direct, p); len(list) > 0 {
			return fmt.Errorf("%s is %s", list[0].Name, list[0].State)
		}
		return nil
	})
}

func TestDockerRestartAdoptsWhatRuns(t *testing.T) {
	t.Parallel()
	p, image := dockerPlatform(t, func() *engine.Client { return enginetest.Connect(t) })
	d := containerOf(image, "VERSION", "one")
	d.Secrets = []string{"key"}
	p.want(http.StatusCreated, http.MethodPost, "/system/secrets", schema.Secret{Name: "key", Value: "v1"})
	p.want(http.StatusAccepted, http.MethodPost, "/system/functions", d)
	p.want(http.StatusAccepted, http.MethodPut, "/system/secrets", schema.Secret{Name: "key", Value: "v2"})
	if _, body := p.want(http.StatusOK, http.MethodGet, "/function/fn/read/var/openfaas/secrets/key", nil); body != "v2" {
		t.Errorf("secret %q", body)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	direct := enginetest.Connect(t)
	list, err := direct.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+p.in.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Running() {
			t.Errorf("container %s runs without platform", c.Name)
		}
	}
	again := startPlatform(t, p.dir, withDocker(t, func() *engine.Client { return enginetest.Connect(t) }))
	soon(t, func() error {
		res, body := again.do(http.MethodGet, "/function/fn/read/var/openfaas/secrets/key", nil)
		if body != "v2" {
			return errors.New(res.Status + " " + body)
		}
		return nil
	})
	if _, err := os.Stat(filepath.Join(p.dir, string(runtime.Docker), "secrets")); err != nil {
		t.Error(err)
	}
}

// soon polls until check is content.
func soon(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
