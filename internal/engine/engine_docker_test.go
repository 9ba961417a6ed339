//go:build docker

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// files makes a context; the function program is in it for builds that run something.
func files(t *testing.T, dockerfile string, more ...string) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{"Dockerfile": {Data: []byte(dockerfile), Mode: 0o644}}
	if strings.Contains(dockerfile, "COPY function") {
		m["function"] = &fstest.MapFile{Data: enginetest.FunctionProgram(t), Mode: 0o755}
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = &fstest.MapFile{Data: []byte(more[i+1]), Mode: 0o644}
	}
	return m
}

// request is a build of the context under a name that is removed after the test.
func request(t *testing.T, c *engine.Client, context fs.FS) engine.Build {
	t.Helper()
	name := enginetest.Name("faas-cli-test/build") + ":1"
	enginetest.RemoveImage(t, c, name)
	return engine.Build{Context: context, Key: t.Name(), Tags: []string{name}, Labels: map[string]string{enginetest.Label: t.Name()}}
}

func TestDockerBuildHonoursItsOptions(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := request(t, c, files(t, `FROM scratch AS first
ARG A
LABEL a=$A
COPY function /function
RUN --mount=type=secret,id=s ["/function", "copy", "/run/secrets/s", "/copied"]
FROM first AS second
LABEL stage=second
`))
	b.Args, b.Target = map[string]string{"A": "b", "EMPTY": ""}, "first"
	b.NoCache = true // what a cached step said is not told again
	b.Secrets = []engine.BuildSecret{{ID: "s", Path: secret}}
	var states []engine.State
	var log strings.Builder
	id, err := c.Build(t.Context(), b, func(e engine.Event) {
		states = append(states, e.State)
		if e.State == engine.StepLog {
			log.WriteString(e.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := c.Image(t.Context(), b.Tags[0])
	if err != nil {
		t.Fatal(err)
	}
	if img.ID != id || img.Labels["a"] != "b" || img.Labels["stage"] != "" || img.Labels[enginetest.Label] != t.Name() {
		t.Errorf("image %+v, built %s", img, id)
	}
	if !strings.Contains(log.String(), "copied 6 bytes") {
		t.Errorf("log %q", log.String())
	}
	if !slices.Contains(states, engine.StepStarted) || !slices.Contains(states, engine.StepDone) {
		t.Errorf("events %v", states)
	}
}

func TestDockerBuildUsesTheSSHAgent(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	dir, err := os.MkdirTemp("", "agent-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := request(t, c, files(t, "FROM scratch\nCOPY function /function\nRUN --mount=type=ssh,required=true [\"/function\", \"agent\"]\n"))
	b.NoCache = true
	b.SSH = []engine.SSHAgent{{Socket: l.Addr().String()}}
	if _, err := c.Build(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	b.SSH = nil
	var failed *engine.BuildError
	if _, err := c.Build(t.Context(), b, nil); !errors.As(err, &failed) {
		t.Errorf("without an agent: %v", err)
	}
}

func TestDockerBuildFailures(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	t.Run("a step fails", func(t *testing.T) {
		t.Parallel()
		b := request(t, c, files(t, "FROM scratch\nCOPY function /function\nRUN [\"/function\", \"copy\", \"/no-such\", \"/x\"]\n"))
		var log strings.Builder
		_, err := c.Build(t.Context(), b, func(e engine.Event) {
			if e.State == engine.StepLog {
				log.WriteString(e.Text)
			}
		})
		var failed *engine.BuildError
		if !errors.As(err, &failed) || !strings.Contains(failed.Step, "/no-such") || failed.BaseImage != "" {
			t.Errorf("error %+v", err)
		}
		if !strings.Contains(log.String(), "open /no-such") {
			t.Errorf("log %q", log.String())
		}
	})
	t.Run("no Dockerfile", func(t *testing.T) {
		t.Parallel()
		var failed *engine.BuildError
		if _, err := c.Build(t.Context(), request(t, c, fstest.MapFS{"x": {}}), nil); !errors.As(err, &failed) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("base image cannot be pulled", func(t *testing.T) {
		t.Parallel()
		const base = "127.0.0.1:1/none/such:1"
		_, err := c.Build(t.Context(), request(t, c, files(t, "FROM "+base+"\n")), nil)
		var failed *engine.BuildError
		if !errors.As(err, &failed) || failed.BaseImage != base {
			t.Errorf("error %+v", err)
		}
	})
	t.Run("a secret is missing", func(t *testing.T) {
		t.Parallel()
		b := request(t, c, files(t, "FROM scratch\n"))
		b.Secrets = []engine.BuildSecret{{ID: "key", Path: filepath.Join(t.TempDir(), "none")}}
		if _, err := c.Build(t.Context(), b, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "key") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a file cannot be opened", func(t *testing.T) {
		t.Parallel()
		m := brokenFS{FS: files(t, "FROM scratch\nCOPY broken /x\n", "broken", "content"), name: "broken", err: fs.ErrPermission}
		_, err := c.Build(t.Context(), request(t, c, m), nil)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "broken") {
			t.Errorf("error %v", err)
		}
	})
}

// brokenFS has a file that cannot be opened.
type brokenFS struct {
	fs.FS
	name string
	err  error
}

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: b.err}
	}
	return b.FS.Open(name)
}

func TestDockerBuildNoticesFilesThatChangeWhileRead(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY big /big\n")
	write(t, filepath.Join(dir, "big"), strings.Repeat("x", 1<<20))
	var once sync.Once
	grow := growingFS{FS: os.DirFS(dir), name: "big", grow: func() {
		once.Do(func() { write(t, filepath.Join(dir, "big"), strings.Repeat("y", 2<<20)) })
	}}
	_, err := c.Build(t.Context(), request(t, c, grow), nil)
	if err == nil || !strings.Contains(err.Error(), `"big" changed`) {
		t.Errorf("error %v", err)
	}
}

type growingFS struct {
	fs.FS
	name string
	grow func()
}

func (g growingFS) Open(name string) (fs.File, error) {
	f, err := g.FS.Open(name)
	if err == nil && name == g.name {
		return growingFile{File: f, grow: g.grow}, nil
	}
	return f, err
}

type growingFile struct {
	fs.File
	grow func()
}

func (f growingFile) Read(p []byte) (int, error) {
	defer f.grow()
	return f.File.Read(p)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDockerOnlyWhatChangedCrossesTheSocket(t *testing.T) {
	t.Parallel()
	p, c := enginetest.NewProxy(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY wanted /wanted\n")
	const n, size = 1000, 4 << 10
	noise := func() string {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte('a' + rand.IntN(26))
		}
		return string(b)
	}
	for i := range n {
		write(t, filepath.Join(dir, "wanted", fmt.Sprint(i%20), fmt.Sprint(i)), noise())
	}
	write(t, filepath.Join(dir, "unused", "big"), strings.Repeat("x", 8<<20))
	build := func() int64 {
		before := p.Sent()
		if _, err := c.Build(t.Context(), request(t, c, os.DirFS(dir)), nil); err != nil {
			t.Fatal(err)
		}
		return p.Sent() - before
	}
	first := build()
	if first < n*size || first > n*size+1<<20 {
		t.Errorf("the first build sent %d bytes for %d", first, n*size)
	}
	// What remains is a line for each file, and one file.
	write(t, filepath.Join(dir, "wanted", "0", "0"), noise())
	second := build()
	if second > size+n*100 {
		t.Errorf("a changed file of %d bytes cost %d bytes", size, second)
	}
	t.Logf("first build %d bytes, one file changed %d bytes", first, second)
}

func TestDockerFilesWithoutTimesAreToldByTheirContent(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	var ids []string
	for _, content := range []string{"one", "two", "one"} {
		id, err := c.Build(t.Context(), request(t, c, files(t, "FROM scratch\nCOPY file /file\n", "file", content)), nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if ids[0] == ids[1] || ids[0] != ids[2] {
		t.Errorf("images %v of contents one, two, one", ids)
	}
}

func TestDockerCancelEndsTheBuildInTheEngine(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	mark := enginetest.Name("mark") // BuildKit runs steps that look the same only once
	b := request(t, c, files(t, "FROM scratch\nCOPY function /function\nRUN [\"/function\", \"wait\", \""+mark+"\"]\n"))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	began := time.Now()
	_, err := c.Build(ctx, b, func(e engine.Event) {
		if e.State == engine.StepLog {
			cancel(why)
		}
	})
	if !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := c.Image(t.Context(), b.Tags[0]); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("image of a cancelled build: %v", err)
	}
	enginetest.NoProcess(t, mark)
}

func TestDockerEngineStopsInTheMiddleOfABuild(t *testing.T) {
	t.Parallel()
	p, c := enginetest.NewProxy(t)
	mark := enginetest.Name("mark")
	b := request(t, c, files(t, "FROM scratch\nCOPY function /function\nRUN [\"/function\", \"wait\", \""+mark+"\"]\n"))
	_, err := c.Build(t.Context(), b, func(e engine.Event) {
		if e.State == engine.StepLog {
			p.Cut()
		}
	})
	if !engine.IsUnavailable(err) {
		t.Errorf("error %v", err)
	}
	p.Restore(t)
	if _, err := c.Info(t.Context()); err != nil {
		t.Errorf("after the engine came back: %v", err)
	}
	enginetest.NoProcess(t, mark)
}

func TestDockerLogsJoinLongLinesAndTellStreams(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	image := enginetest.Name("faas-cli-test/log") + ":1"
	enginetest.FunctionImage(t, c, image)
	long := strings.Repeat("v", 40<<10)
	id, err := c.CreateContainer(t.Context(), engine.ContainerSpec{
		Image: image, Env: []string{"MODE=exit", "VERSION=" + long}, Labels: map[string]string{enginetest.Label: "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveContainer(t, c, id)
	if err := c.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	code, err := c.WaitContainer(t.Context(), id)
	if err != nil || code != 3 {
		t.Errorf("exit status %d, %v", code, err)
	}
	var stdout, stderr []string
	for line, err := range c.Logs(t.Context(), id, engine.LogQuery{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(line.Time) > time.Minute {
			t.Errorf("time %s", line.Time)
		}
		if line.Stderr {
			stderr = append(stderr, line.Text)
		} else {
			stdout = append(stdout, line.Text)
		}
	}
	if !slices.Equal(stdout, []string{"started " + long + " exit"}) || !slices.Equal(stderr, []string{"giving up at once"}) {
		t.Errorf("stdout %d lines, stderr %q", len(stdout), stderr)
	}
}

func TestDockerErrorsHaveKinds(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	if _, err := c.Image(t.Context(), "no-such-image:1"); !errors.Is(err, engine.ErrNotFound) || strings.Contains(err.Error(), "daemon") {
		t.Errorf("image: %v", err)
	}
	if _, err := c.Container(t.Context(), "no-such-container"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("container: %v", err)
	}
	if err := c.RemoveContainer(t.Context(), "no-such-container"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	n, err := c.CreateNetwork(t.Context(), enginetest.Name("faas-cli-test"), netip.Prefix{}, map[string]string{enginetest.Label: "1"})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveNetwork(t, c, n.ID)
	if !n.Subnet.Contains(n.Gateway) {
		t.Errorf("network %+v", n)
	}
	refused := engine.Build{Context: fstest.MapFS{}, Key: t.Name(), Tags: []string{"Not:lower"}}
	if _, err := c.Build(t.Context(), refused, nil); err == nil || !strings.HasPrefix(err.Error(), `image "Not:lower": invalid reference`) {
		t.Errorf("a name that is none: %v", err)
	}
	if _, err := c.CreateNetwork(t.Context(), n.Name, netip.Prefix{}, nil); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("network name twice: %v", err)
	}
}

func TestDockerRemovesWhatOthersRemove(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	image := enginetest.Name("faas-cli-test/remove") + ":1"
	enginetest.FunctionImage(t, c, image)
	id, err := c.CreateContainer(t.Context(), engine.ContainerSpec{Image: image, Labels: map[string]string{enginetest.Label: t.Name()}})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveContainer(t, c, id)
	if err := c.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			if err := c.RemoveContainer(t.Context(), id); err != nil {
				t.Error(err)
			}
			if _, err := c.Container(t.Context(), id); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("after its removal: %v", err)
			}
		})
	}
	g.Wait()
}
