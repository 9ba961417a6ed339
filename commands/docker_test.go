//go:build docker

package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
)

// TestDockerScripts runs the scripts of testdata/docker, which build and run
// containers. $BASE names an image to build on: Debian with a Python, and with
// the commands of Alpine that our templates use. $FUNCTION is an image of
// enginetest's function, $P an image prefix.
func TestDockerScripts(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	base := alpineLike(t, c)
	prefix := enginetest.Name("faas-cli-test")
	enginetest.RemoveImage(t, c, prefix+"/my-function:latest")
	function := prefix + "/function:1"
	enginetest.FunctionImage(t, c, function)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/docker",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                scriptCommands(),
		Setup: func(env *testscript.Env) error {
			if err := setupScript(env); err != nil {
				return err
			}
			env.Setenv("BASE", base)
			env.Setenv("P", prefix)
			env.Setenv("FUNCTION", function)
			// Whatever happens, no platform and no container outlives its script.
			env.Defer(func() {
				stop := exec.Command("faas-cli", "local", "stop", "--purge") //nolint:noctx // ends by itself
				stop.Env = env.Vars
				_ = stop.Run()
			})
			return nil
		},
	})
}

// alpineLike makes a Debian with Python that also has the commands of Alpine
// which templates use, and returns its name.
func alpineLike(t *testing.T, c *engine.Client) string {
	t.Helper()
	name := enginetest.Name("faas-cli-test/base") + ":1"
	command := func(text string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("#!/bin/sh\n" + text), Mode: 0o755}
	}
	enginetest.Image(t, c, name, fstest.MapFS{
		"Dockerfile":   {Data: []byte("FROM " + enginetest.Debian(t, c) + "\nCOPY bin/ /usr/local/sbin/\n"), Mode: 0o644},
		"bin/python":   command("exec python3 \"$@\"\n"),
		"bin/addgroup": command("exec groupadd --system \"$2\"\n"),
		"bin/adduser":  command("exec useradd --system --gid \"$3\" \"$4\"\n"),
	})
	return name
}

// ctrlC is a command line that Ctrl-C ends in the middle.
type ctrlC struct {
	t      *testing.T
	client *engine.Client
	env    *Env
	name   string // of the function
	image  string
	said   *matchWriter // on standard output and error
}

// newCtrlC is a project with one function, which the engine builds.
func newCtrlC(t *testing.T, gateway, dockerfile string) *ctrlC {
	t.Helper()
	c := enginetest.Connect(t)
	i := &ctrlC{t: t, client: c, name: enginetest.Name("fn"), said: &matchWriter{grown: make(chan struct{})}}
	i.image = "faas-cli-test/" + i.name + ":1"
	enginetest.RemoveImage(t, c, i.image)
	i.env, _, _ = faultEnv(t, gateway)
	i.env.Term.Out, i.env.Term.Err = i.said, i.said
	lookup := i.env.Lookup
	i.env.Lookup = func(key string) (string, bool) {
		if v, ok := lookup(key); ok {
			return v, ok
		}
		return os.LookupEnv(key)
	}
	for name, content := range map[string][]byte{
		"stack.yml":     fmt.Appendf(nil, "provider: {name: openfaas, gateway: '%s'}\nfunctions:\n  %s: {lang: dockerfile, handler: ./fn, image: %s}\n", gateway, i.name, i.image),
		"fn/Dockerfile": []byte(dockerfile), "fn/function": enginetest.FunctionProgram(t),
	} {
		path := filepath.Join(i.env.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o755)); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return i
}

// run runs the command line, presses Ctrl-C when what it says matches, and wants the code.
func (i *ctrlC) run(code int, when string, args ...string) {
	i.t.Helper()
	ctx, press := context.WithCancelCause(i.t.Context())
	ended := make(chan int, 1)
	go func() { ended <- Main(ctx, i.env, args) }()
	if err := i.said.await(when); err != nil {
		press(err)
		<-ended
		i.t.Fatalf("%q: %v", args, err)
	}
	pressed := time.Now()
	press(Signalled(os.Interrupt))
	if got := <-ended; got != code {
		i.t.Errorf("%q: exit code %d; want %d:\n%s", args, got, code, i.said)
	}
	i.t.Logf("%q ended %s after Ctrl-C", args, time.Since(pressed).Round(time.Millisecond))
}

// leavesNothing wants no container of the function, and nothing where local-run keeps its things.
func (i *ctrlC) leavesNothing() {
	i.t.Helper()
	list, err := i.client.ContainersLabelled(i.t.Context(), "com.openfaas.faas-cli.function="+i.name)
	if err != nil || len(list) > 0 {
		i.t.Errorf("containers are left: %+v, %v", list, err)
	}
	runs, err := filepath.Glob(filepath.Join(i.env.Dir, ".local/share/faas-cli/local-run/*"))
	if err != nil || len(runs) > 0 {
		i.t.Errorf("folders are left: %q, %v", runs, err)
	}
}

const waitingDockerfile = "FROM scratch\nCOPY function /function\nRUN [\"/function\", \"wait\", %q]\n"

func TestDockerPushOfWhatWasNotBuilt(t *testing.T) {
	t.Parallel()
	i := newCtrlC(t, "http://gw.example:8080", enginetest.FunctionDockerfile)
	if code := Main(t.Context(), i.env, []string{"push"}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"neither in the image store nor in the container engine", "hint: build it first: faas-cli build"} {
		if !strings.Contains(i.said.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, i.said)
		}
	}
}

func TestDockerInterruptedBuild(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"build": {"build"}, "up": {"up"}, "publish": {"publish"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := enginetest.Name("mark")
			i := newCtrlC(t, "http://gw.example:8080", fmt.Sprintf(waitingDockerfile, mark))
			i.run(128+int(syscall.SIGINT), "waiting", args...)
			enginetest.NoProcess(t, mark)
			if _, err := i.client.Image(t.Context(), i.image); !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("an image is left: %v", err)
			}
		})
	}
}

// The function is built; the gateway does not answer.
func TestDockerInterruptedDeploy(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.New(t, gatewaytest.Options{})
	gw.Inject(gatewaytest.Fault{Handler: gatewaytest.Hang()})
	i := newCtrlC(t, gw.URL, enginetest.FunctionDockerfile)
	i.run(128+int(syscall.SIGINT), `deploying`, "up", "--skip-push")
	i.leavesNothing()
}

func TestDockerInterruptedLocalRun(t *testing.T) {
	t.Parallel()
	t.Run("in its build", func(t *testing.T) {
		t.Parallel()
		mark := enginetest.Name("mark")
		i := newCtrlC(t, "", fmt.Sprintf(waitingDockerfile, mark))
		i.run(0, "waiting", "local-run", "--port", "0")
		enginetest.NoProcess(t, mark)
		i.leavesNothing()
	})
	for name, c := range map[string]struct {
		when string
		args []string
	}{
		"before it is healthy": {"started +sick", []string{"-e", "MODE=sick"}},
		"as it runs":           {`Running \S+ on http://127\.0\.0\.1:\d+\n`, nil},
		"with others":          {"Running", []string{"--all"}},
		"as it is watched":     {`\[watch\] done`, []string{"--watch"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newCtrlC(t, "", enginetest.FunctionDockerfile)
			i.run(0, c.when, append([]string{"local-run", "--port", "0"}, c.args...)...)
			i.leavesNothing()
		})
	}
}

func TestDockerLocalRunPassesTheExitCodeOn(t *testing.T) {
	t.Parallel()
	i := newCtrlC(t, "", enginetest.FunctionDockerfile)
	if code := Main(t.Context(), i.env, []string{"local-run", "--port", "0", "-e", "MODE=exit"}); code != 3 {
		t.Errorf("exit code %d; want 3:\n%s", code, i.said)
	}
	i.leavesNothing()
}

// A run that was killed leaves a container behind, on the port that is wanted
// again. The next run removes it.
func TestDockerLocalRunAfterOneThatWasKilled(t *testing.T) {
	t.Parallel()
	i := newCtrlC(t, "", enginetest.FunctionDockerfile)
	said := &matchWriter{grown: make(chan struct{})}
	killed := exec.CommandContext(t.Context(), "faas-cli", "local-run", "--port", "0")
	killed.Dir, killed.Stderr = i.env.Dir, said
	killed.Env = append(os.Environ(), "HOME="+i.env.Dir)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	err := said.await(`Running \S+ on \S+\n`)
	_ = killed.Process.Kill()
	_ = killed.Wait()
	if err != nil {
		t.Fatal(err)
	}
	port := regexp.MustCompile(`Running \S+ on http://127\.0\.0\.1:(\d+)\n`).FindStringSubmatch(said.String())[1]
	i.run(0, "Running", "local-run", "--port", port)
	i.leavesNothing()
}

// matchWriter is written to by one goroutine and watched by another.
type matchWriter struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed, and made again, by each write
}

func (w *matchWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.grown)
	w.grown = make(chan struct{})
	return w.text.Write(p)
}

func (w *matchWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until what was written matches.
func (w *matchWriter) await(pattern string) error {
	end := time.After(awaitFor)
	for {
		w.mu.Lock()
		found, err := regexp.MatchString(pattern, w.text.String())
		grown := w.grown
		w.mu.Unlock()
		if found || err != nil {
			return err
		}
		select {
		case <-grown:
		case <-end:
			return fmt.Errorf("no match for %q in:\n%s", pattern, w)
		}
	}
}
