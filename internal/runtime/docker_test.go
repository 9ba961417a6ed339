//go:build docker

package runtime_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

// newDocker returns a runtime of an instance of its own, whose things are gone after the test, and an image to run.
func newDocker(t *testing.T) (*runtime.DockerRuntime, runtime.DockerOptions, string) {
	t.Helper()
	image := enginetest.Name("faas-cli-test/function") + ":1"
	enginetest.FunctionImage(t, enginetest.Connect(t), image) // to be removed last
	o := runtime.DockerOptions{Engine: enginetest.Connect(t), Instance: enginetest.Name("t"), Dir: filepath.Join(t.TempDir(), "docker")}
	d := runtime.NewDocker(t.Context(), o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := d.Purge(ctx); err != nil {
			t.Errorf("purge: %v", err)
		}
		_ = d.Close()
	})
	return d, o, image
}

func spec(image string, env ...string) runtime.Spec {
	s := runtime.Spec{Ref: runtime.Ref{Name: "fn", Namespace: "openfaas-fn"}, Revision: "r1", Image: image, Env: map[string]string{}}
	for i := 0; i < len(env); i += 2 {
		s.Env[env[i]] = env[i+1]
	}
	return s
}

func start(t *testing.T, d *runtime.DockerRuntime, s runtime.Spec) runtime.Replica {
	t.Helper()
	r, err := d.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func healthy(t *testing.T, r runtime.Replica) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := runtime.WaitHealthy(ctx, http.DefaultClient, r, ""); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, r runtime.Replica, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Info().Address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func ended(t *testing.T, r runtime.Replica) runtime.Exit {
	t.Helper()
	select {
	case <-r.Done():
		return r.Exit()
	case <-time.After(20 * time.Second):
		t.Fatal("the replica does not end")
		return runtime.Exit{}
	}
}

func logs(t *testing.T, d *runtime.DockerRuntime, q runtime.LogQuery) []string {
	t.Helper()
	var lines []string
	for line, err := range d.Logs(t.Context(), runtime.Ref{Name: "fn", Namespace: "openfaas-fn"}, q) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line.Text)
	}
	return lines
}

func TestDockerReplicaServesWithItsSettings(t *testing.T) {
	t.Parallel()
	d, o, image := newDocker(t)
	s := spec(image, "VERSION", "one", "A", "b")
	s.Labels = map[string]string{"team": "blue"}
	s.Annotations = map[string]string{"topic": "x", "team": "red"}
	s.Memory, s.MilliCPU, s.ReadOnlyRoot = 64<<20, 500, true
	s.Secrets = map[string][]byte{"key": []byte("first"), "other": []byte("x")}
	if err := d.Check(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	l, hosts, err := d.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "gateway saw "+r.Host)
	})}
	defer srv.Close()
	go func() { _ = srv.Serve(l) }()

	r := start(t, d, s)
	healthy(t, r)
	if _, body := get(t, r, "/"); body != "hello from one, uid 1000" {
		t.Errorf("reply %q", body)
	}
	_, env := get(t, r, "/env")
	for _, want := range []string{"A=b", "VERSION=one", "gateway_url=http://" + runtime.GatewayHost} {
		if !strings.Contains(env, want) {
			t.Errorf("environment lacks %s:\n%s", want, env)
		}
	}
	if _, body := get(t, r, "/read/var/openfaas/secrets/key"); body != "first" {
		t.Errorf("secret %q", body)
	}
	if code, _ := get(t, r, "/write/var/openfaas/secrets/key"); code != http.StatusForbidden {
		t.Errorf("writing a secret: %d", code)
	}
	if code, _ := get(t, r, "/write/x"); code != http.StatusForbidden {
		t.Errorf("writing to the root: %d", code)
	}
	if code, body := get(t, r, "/write/tmp/x"); code != http.StatusOK {
		t.Errorf("writing to /tmp: %d %s", code, body)
	}
	if err := r.SetSecrets(t.Context(), map[string][]byte{"key": []byte("second")}); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, r, "/read/var/openfaas/secrets/key"); body != "second" {
		t.Errorf("secret after the update %q", body)
	}
	if code, _ := get(t, r, "/read/var/openfaas/secrets/other"); code != http.StatusNotFound {
		t.Errorf("removed secret: %d", code)
	}
	var url string
	for line := range strings.SplitSeq(env, "\n") {
		if v, ok := strings.CutPrefix(line, "gateway_url="); ok {
			url = v
		}
	}
	if _, body := get(t, r, "/get?url="+url+"/function/x"); !strings.HasPrefix(body, "gateway saw "+hosts[0]) {
		t.Errorf("calling %s from the function: %q", url, body)
	}
	c, err := o.Engine.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+o.Instance)
	if err != nil || len(c) != 1 {
		t.Fatalf("containers %v, %v", c, err)
	}
	if c[0].Labels["team"] != "blue" || c[0].Labels["topic"] != "x" {
		t.Errorf("labels %v", c[0].Labels)
	}
	if u, ok := r.(runtime.Usager); ok {
		if _, bytes, err := u.Usage(t.Context()); err != nil || bytes <= 0 {
			t.Errorf("usage: %d bytes, %v", bytes, err)
		}
	}
	began := time.Now()
	if err := r.Stop(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a function that heeds SIGTERM took %s to stop", took)
	}
	if e := ended(t, r); e.Code != 0 {
		t.Errorf("exit %+v", e)
	}
	if all := logs(t, d, runtime.LogQuery{Tail: -1}); len(all) < 3 || all[0] != "started one " || all[len(all)-1] != "stopping" {
		t.Errorf("logs %q", all)
	}
	if last := logs(t, d, runtime.LogQuery{Tail: 1}); len(last) != 1 || last[0] != "stopping" {
		t.Errorf("last line %q", last)
	}
}

func TestDockerEndsOfReplicas(t *testing.T) {
	t.Parallel()
	d, o, image := newDocker(t)

	t.Run("exits at once", func(t *testing.T) {
		r := start(t, d, spec(image, "MODE", "exit"))
		err := runtime.WaitHealthy(t.Context(), http.DefaultClient, r, "")
		var exit *runtime.ExitError
		if !errors.As(err, &exit) || exit.Exit.Code != 3 {
			t.Errorf("error %v", err)
		}
		if all := logs(t, d, runtime.LogQuery{Tail: -1}); !slices.Contains(all, "giving up at once") {
			t.Errorf("logs %q", all)
		}
	})
	t.Run("never healthy", func(t *testing.T) {
		r := start(t, d, spec(image, "MODE", "sick"))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := runtime.WaitHealthy(ctx, http.DefaultClient, r, ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := r.Stop(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
	})
	t.Run("ignores SIGTERM", func(t *testing.T) {
		r := start(t, d, spec(image, "MODE", "stubborn"))
		healthy(t, r)
		if err := r.Stop(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		if e := ended(t, r); e.Code != 137 {
			t.Errorf("exit %+v", e)
		}
	})
	t.Run("memory limit", func(t *testing.T) {
		s := spec(image)
		s.Memory = 32 << 20
		r := start(t, d, s)
		healthy(t, r)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Info().Address+"/eat?bytes=100000000", nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
		if e := ended(t, r); !e.OutOfMemory {
			t.Errorf("exit %+v", e)
		}
	})
	t.Run("removed by somebody", func(t *testing.T) {
		r := start(t, d, spec(image))
		healthy(t, r)
		list, err := o.Engine.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.replica="+r.Info().ID)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if err := o.Engine.RemoveContainer(t.Context(), list[0].ID); err != nil {
			t.Fatal(err)
		}
		ended(t, r)
		if err := r.Stop(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
	})
	t.Run("start given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Start(ctx, spec(image)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	list, err := o.Engine.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+o.Instance)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Running() {
			t.Errorf("container %s still runs", c.Name)
		}
	}
	if err := d.Forget(t.Context(), runtime.Ref{Name: "fn", Namespace: "openfaas-fn"}); err != nil {
		t.Error(err)
	}
	if list, _ := o.Engine.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+o.Instance); len(list) != 0 {
		t.Errorf("containers after forgetting the function: %d", len(list))
	}
	if entries, _ := os.ReadDir(filepath.Join(o.Dir, "secrets")); len(entries) != 0 {
		t.Errorf("secrets after forgetting the function: %v", entries)
	}
}

func TestDockerAdoptsItsOwnContainersOnly(t *testing.T) {
	t.Parallel()
	d, o, image := newDocker(t)
	foreign, err := o.Engine.CreateContainer(t.Context(), engine.ContainerSpec{
		Name: enginetest.Name("foreign"), Image: image, Labels: map[string]string{enginetest.Label: t.Name()},
	})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveContainer(t, o.Engine, foreign)
	if err := o.Engine.StartContainer(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	s := spec(image, "VERSION", "kept")
	s.Secrets = map[string][]byte{"key": []byte("v")}
	r := start(t, d, s)
	healthy(t, r)

	// Another process of the same instance, after the first was killed.
	second := runtime.DockerOptions{Engine: enginetest.Connect(t), Instance: o.Instance, Dir: o.Dir}
	d2 := runtime.NewDocker(t.Context(), second)
	adopted, err := d2.Adopt(t.Context(), func(runtime.Ref) bool { return true })
	if err != nil || len(adopted) != 1 {
		t.Fatalf("adopted %v, %v", adopted, err)
	}
	a := adopted[0]
	if a.Info().ID != r.Info().ID || a.Info().Revision != "r1" || a.Info().Ref != s.Ref || a.Info().Address != r.Info().Address {
		t.Errorf("adopted %+v, started %+v", a.Info(), r.Info())
	}
	if _, body := get(t, a, "/read/var/openfaas/secrets/key"); body != "v" {
		t.Errorf("secret %q", body)
	}
	if err := a.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	ended(t, r)
	for _, deployed := range []bool{true, false} { // it is kept for its logs, as long as its function is deployed
		if _, err := d2.Adopt(t.Context(), func(f runtime.Ref) bool { return deployed && f == s.Ref }); err != nil {
			t.Fatal(err)
		}
		list, err := o.Engine.ContainersLabelled(t.Context(), "com.openfaas.faas-cli.instance="+o.Instance)
		if err != nil || (len(list) > 0) != deployed {
			t.Errorf("deployed %t: containers %v, %v", deployed, list, err)
		}
	}
	if err := d2.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d2.Close(); err != nil {
		t.Error(err)
	}
	if c, err := o.Engine.Container(t.Context(), foreign); err != nil || !c.Running() {
		t.Errorf("the foreign container: %+v, %v", c.State, err)
	}
}

func TestDockerImageMissing(t *testing.T) {
	t.Parallel()
	d, _, _ := newDocker(t)
	s := spec("127.0.0.1:1/none/such:1")
	if err := d.Check(t.Context(), s); !errors.Is(err, runtime.ErrNoImage) {
		t.Errorf("check: %v", err)
	}
	if _, err := d.Start(t.Context(), s); !errors.Is(err, runtime.ErrNoImage) {
		t.Errorf("start: %v", err)
	}
	if _, err := d.Pin(t.Context(), s.Image); !errors.Is(err, runtime.ErrNoImage) {
		t.Errorf("pin: %v", err)
	}
}

func TestDockerImageOfAnotherPlatformIsNamed(t *testing.T) {
	t.Parallel()
	d, o, _ := newDocker(t)
	arch := "arm64"
	if goruntime.GOARCH == arch {
		arch = "amd64"
	}
	image := enginetest.Name("faas-cli-test/foreign") + ":1"
	enginetest.RemoveImage(t, o.Engine, image)
	_, err := o.Engine.Build(t.Context(), engine.Build{
		Context: fstest.MapFS{
			"Dockerfile": {Data: []byte(enginetest.FunctionDockerfile), Mode: 0o644},
			"function":   {Data: []byte("\x7fELF of a machine that this is not"), Mode: 0o755},
		},
		Key: t.Name(), Tags: []string{image}, Platform: "linux/" + arch, Labels: map[string]string{enginetest.Label: t.Name()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Start(t.Context(), spec(image))
	if err == nil {
		err = runtime.WaitHealthy(t.Context(), http.DefaultClient, r, "")
	}
	if err == nil || !strings.Contains(err.Error(), "linux/"+arch) || !strings.Contains(err.Error(), goruntime.GOARCH) {
		t.Errorf("error %v; want one with both platforms", err)
	}
}

func TestDockerPortTaken(t *testing.T) {
	t.Parallel()
	d, _, image := newDocker(t)
	s := spec(image)
	first := start(t, d, s)
	healthy(t, first)
	s.Port = 0
	published := s
	published.Port = freePort(t)
	r := start(t, d, published)
	healthy(t, r)
	if !strings.HasPrefix(r.Info().Address, "127.0.0.1:") {
		t.Errorf("address %s", r.Info().Address)
	}
	if _, err := d.Start(t.Context(), published); err == nil || !strings.Contains(err.Error(), "port") {
		t.Errorf("a port that is taken: %v", err)
	}
}

// TestDockerFunctionsReachThePlatformInANewNetwork: somebody tidies up, and the network comes back with another address.
func TestDockerFunctionsReachThePlatformInANewNetwork(t *testing.T) {
	t.Parallel()
	d, o, image := newDocker(t)
	l, _, err := d.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the platform") })} //nolint:gosec // for this test alone
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-served
	})
	networks, err := o.Engine.NetworksLabelled(t.Context(), "com.openfaas.faas-cli.instance="+o.Instance)
	if err != nil || len(networks) != 1 {
		t.Fatalf("networks %v, %v", networks, err)
	}
	if err := o.Engine.RemoveNetwork(t.Context(), networks[0].ID); err != nil {
		t.Fatal(err)
	}
	taken, err := o.Engine.CreateNetwork(t.Context(), enginetest.Name("taken"), netip.Prefix{}, map[string]string{enginetest.Label: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveNetwork(t, o.Engine, taken.ID)
	r := start(t, d, spec(image))
	healthy(t, r)
	_, env := get(t, r, "/env")
	_, after, _ := strings.Cut(env, "gateway_url=")
	gateway, _, _ := strings.Cut(after, "\n")
	if _, body := get(t, r, "/get?url="+url.QueryEscape(gateway)); body != "the platform" {
		t.Errorf("calling %s: %q", gateway, body)
	}
}

// TestDockerNetworkComesBackWithItsAddresses is not parallel: nobody is to take them meanwhile.
func TestDockerNetworkComesBackWithItsAddresses(t *testing.T) {
	d, o, image := newDocker(t)
	lower, err := o.Engine.CreateNetwork(t.Context(), enginetest.Name("lower"), netip.Prefix{}, map[string]string{enginetest.Label: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveNetwork(t, o.Engine, lower.ID)
	network := func() engine.Network {
		t.Helper()
		r := start(t, d, spec(image))
		healthy(t, r)
		if err := r.Stop(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		n, err := o.Engine.Network(t.Context(), "faas-cli-"+o.Instance)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := network()
	for _, id := range []string{before.ID, lower.ID} { // the engine would choose the lower addresses
		if err := o.Engine.RemoveNetwork(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if after := network(); after.ID == before.ID || after.Subnet != before.Subnet || after.Gateway != before.Gateway {
		t.Errorf("network %+v, then %+v", before, after)
	}
}

func TestDockerFollowsLogs(t *testing.T) {
	t.Parallel()
	d, _, image := newDocker(t)
	s := spec(image, "VERSION", "one")
	first := start(t, d, s)
	healthy(t, first)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for line, err := range d.Logs(ctx, s.Ref, runtime.LogQuery{Tail: -1, Follow: true}) {
			if err == nil {
				lines <- line.Instance + " " + line.Text
			}
		}
	}()
	next := func(want string) {
		t.Helper()
		select {
		case got := <-lines:
			if got != want {
				t.Errorf("line %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no line %q", want)
		}
	}
	next(first.Info().ID + " started one ")
	get(t, first, "/a")
	next(first.Info().ID + " request /a")
	s.Env["VERSION"] = "two"
	second := start(t, d, s)
	healthy(t, second)
	next(second.Info().ID + " started two ")
	get(t, second, "/b")
	next(second.Info().ID + " request /b")
	cancel()
	<-done
}

func TestDockerFloodedLogIsBounded(t *testing.T) {
	t.Parallel()
	d, _, image := newDocker(t)
	r := start(t, d, spec(image, "MODE", "flood"))
	healthy(t, r)
	written := 0
	for line, err := range d.Logs(t.Context(), r.Info().Ref, runtime.LogQuery{Follow: true, Tail: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		if written += len(line.Text); written > 30<<20 { // more than is kept
			break
		}
	}
	if err := r.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range logs(t, d, runtime.LogQuery{Tail: -1}) {
		n++
	}
	if n == 0 || n > 25<<10 { // two files of 10 MB, lines of 1 KiB and more
		t.Errorf("%d lines are kept", n)
	}
}
