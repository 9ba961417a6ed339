//go:build docker

package commands

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/internal/term"
)

// What BenchmarkDocker20 builds.
const (
	dockerBenchFunctions = 20
	dockerBenchFiles     = 10
	dockerBenchFile      = 16 << 10 // bytes
)

// dockerBench is a project whose functions the engine builds, in a registry and on a gateway of its own.
type dockerBench struct {
	b      *testing.B
	env    *Env
	stderr bytes.Buffer
	client *engine.Client
	bare   *http.Client
	names  []string // of images
	label  string
}

func newDockerBench(b *testing.B) *dockerBench {
	b.Helper()
	images := httptest.NewServer(registry.Open(b.TempDir()).Handler(registry.ServerOptions{User: "me", Password: "secret"}))
	b.Cleanup(images.Close)
	gw := gatewaytest.New(b, gatewaytest.Options{})
	dir := b.TempDir()
	c := enginetest.Connect(b)
	d := &dockerBench{b: b, client: c, bare: enginetest.Bare(b, c), label: enginetest.Label + "=" + b.Name()}
	var stack strings.Builder
	fmt.Fprintf(&stack, "version: 1.0\nprovider: {name: openfaas, gateway: '%s'}\nfunctions:\n", gw.URL)
	prefix := strings.TrimPrefix(images.URL, "http://") + "/" + enginetest.Name("bench")
	for i := range dockerBenchFunctions {
		name := fmt.Sprintf("%s/fn-%02d:1", prefix, i)
		d.names = append(d.names, name)
		enginetest.RemoveImage(b, c, name)
		enginetest.RemoveImage(b, c, d.bareName(i))
		fmt.Fprintf(&stack, "  fn-%02d: {lang: dockerfile, handler: ./fn-%02d, image: '%s'}\n", i, i, name)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: maxIdlePerHost}
	b.Cleanup(transport.CloseIdleConnections)
	d.env = &Env{
		Term: term.Test(strings.NewReader(""), new(bytes.Buffer), &d.stderr),
		Lookup: func(key string) (string, bool) {
			if key == "HOME" {
				return dir, true
			}
			return os.LookupEnv(key)
		},
		Dir: dir, Now: time.Now, Transport: transport, Environ: os.Environ,
		Executable: func() (string, error) { return "faas-cli", nil },
	}
	d.write("stack.yaml", stack.String())
	d.write(".docker/config.json", fmt.Sprintf(`{"auths": {%q: {"auth": "bWU6c2VjcmV0"}}}`, strings.TrimPrefix(images.URL, "http://")))
	for i := range dockerBenchFunctions {
		d.write(fmt.Sprintf("fn-%02d/Dockerfile", i), "FROM scratch\nCOPY . /home/app\n")
		for k := range dockerBenchFiles {
			d.write(fmt.Sprintf("fn-%02d/%d.txt", i, k), fmt.Sprint(i, k)+strings.Repeat("x", dockerBenchFile))
		}
	}
	return d
}

// bareName is the image that the bare calls build of a function.
func (d *dockerBench) bareName(i int) string { return strings.TrimSuffix(d.names[i], "1") + "bare" }

func (d *dockerBench) write(name, text string) {
	d.b.Helper()
	path := filepath.Join(d.env.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		d.b.Fatal(err)
	}
}

// change gives one file of each function a content that it never had.
func (d *dockerBench) change() {
	d.b.Helper()
	for i := range dockerBenchFunctions {
		d.write(fmt.Sprintf("fn-%02d/0.txt", i), fmt.Sprint(i, time.Now().UnixNano())+strings.Repeat("x", dockerBenchFile))
	}
}

// command runs a command line and returns how long it took.
func (d *dockerBench) command(args ...string) time.Duration {
	d.b.Helper()
	d.stderr.Reset()
	start := time.Now()
	if code := Main(d.b.Context(), d.env, args); code != 0 {
		d.b.Fatalf("%q: exit code %d:\n%s", args, code, &d.stderr)
	}
	return time.Since(start)
}

func (d *dockerBench) build() time.Duration {
	d.b.Helper()
	return d.command("build", "--build-label", d.label)
}

// bareBuilds builds all functions by bare requests, as many at the same time as build does, and returns how long that
// took without reading the files.
func (d *dockerBench) bareBuilds() time.Duration {
	d.b.Helper()
	contexts := make([][]byte, dockerBenchFunctions)
	for i := range contexts {
		var t bytes.Buffer
		w := tar.NewWriter(&t)
		if err := w.AddFS(os.DirFS(filepath.Join(d.env.Dir, fmt.Sprintf("fn-%02d", i)))); err != nil {
			d.b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			d.b.Fatal(err)
		}
		contexts[i] = t.Bytes()
	}
	labels := url.Values{"labels": {fmt.Sprintf("{%q: %q}", enginetest.Label, d.b.Name())}}
	start := time.Now()
	g, ctx := errgroup.WithContext(d.b.Context())
	g.SetLimit(runtime.NumCPU())
	for i, c := range contexts {
		g.Go(func() error { return enginetest.BareBuild(ctx, d.bare, d.bareName(i), c, labels) })
	}
	if err := g.Wait(); err != nil {
		d.b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkDocker20 builds, pushes and brings up 20 functions, by the fastest round in milliseconds and, where there
// are bare calls of the Engine API to compare with, as a multiple of them.
func BenchmarkDocker20(b *testing.B) {
	for _, bench := range []struct {
		name  string
		round func(d *dockerBench) (ours, bare time.Duration)
	}{
		{"build-unchanged", func(d *dockerBench) (ours, bare time.Duration) { return d.build(), d.bareBuilds() }},
		{"build-changed", func(d *dockerBench) (ours, bare time.Duration) {
			d.change()
			ours = d.build()
			d.change() // else the engine had it in its cache
			return ours, d.bareBuilds()
		}},
		{"push-unchanged", func(d *dockerBench) (ours, bare time.Duration) { return d.command("push"), 0 }},
		{"up-unchanged", func(d *dockerBench) (ours, bare time.Duration) { return d.command("up", "--build-label", d.label), 0 }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d := newDockerBench(b)
			d.build()
			d.bareBuilds()
			d.command("push")
			ours, bare := math.Inf(1), math.Inf(1)
			for b.Loop() {
				o, floor := bench.round(d)
				ours, bare = min(ours, float64(o)), min(bare, float64(floor))
			}
			b.ReportMetric(ours/float64(time.Millisecond), "fastest-ms")
			if bare > 0 {
				b.ReportMetric(bare/float64(time.Millisecond), "bare-ms")
				b.ReportMetric(ours/bare, "ours/bare")
			}
		})
	}
}
