// Package enginetest is the kit of the tests that need a real container engine: a connection,
// images that need nothing from a registry, and the certainty that nothing is left behind.
package enginetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// Label marks whatever a test makes in an engine; its value is the name of the test's run.
const Label = "com.openfaas.faas-cli.test"

// cleanupTimeout bounds the removal of one thing.
const cleanupTimeout = 30 * time.Second

// Connect returns a client of this machine's engine. Without one the test fails: whoever asks for
// engine tests wants them run.
func Connect(tb testing.TB) *engine.Client {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context()) // clean-ups connect too
	c, err := engine.Connect(ctx, engine.Options{Lookup: os.LookupEnv})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Bare is an HTTP client of the engine's socket, for what the least of all clients has to do. Whatever the host of a URL,
// it reaches the engine.
func Bare(tb testing.TB, c *engine.Client) *http.Client {
	tb.Helper()
	socket, ok := strings.CutPrefix(c.Endpoint().Host, "unix://")
	if !ok {
		tb.Skipf("the engine at %s has no socket", c.Endpoint().Host)
	}
	var d net.Dialer
	bare := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", socket)
	}}}
	tb.Cleanup(bare.CloseIdleConnections)
	return bare
}

// BareBuild builds the context in a tar by one request without a session. query is what it says beside the name of the
// image, or nothing.
func BareBuild(ctx context.Context, bare *http.Client, name string, context []byte, query url.Values) error {
	q := url.Values{"version": {"2"}, "t": {name}}
	maps.Copy(q, query)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine/v1.41/build?"+q.Encode(), bytes.NewReader(context))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := bare.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	reply, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || bytes.Contains(reply, []byte("errorDetail"))) {
		err = fmt.Errorf("build %s: status %d: %s", name, resp.StatusCode, reply)
	}
	return err
}

// Name makes a name up that nobody else uses: prefix and random lower-case letters.
func Name(prefix string) string {
	return prefix + "-" + strings.ToLower(rand.Text()[:10])
}

// cleanup removes something after the test, when the test's own context has ended.
func cleanup(tb testing.TB, what string, remove func(context.Context) error) {
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), cleanupTimeout)
		defer cancel()
		if err := remove(ctx); err != nil {
			tb.Errorf("leave no %s behind: %v", what, err)
		}
	})
}

// Image builds an image out of files, one of which is "Dockerfile", and removes it after the test.
// It returns the image's ID.
func Image(tb testing.TB, c *engine.Client, name string, files fs.FS) string {
	tb.Helper()
	id, err := c.Build(tb.Context(), engine.Build{
		Context: files, Key: tb.Name(), Tags: []string{name}, Labels: map[string]string{Label: tb.Name()},
	}, nil)
	if err != nil {
		tb.Fatalf("build %s: %v", name, err)
	}
	RemoveImage(tb, c, name)
	return id
}

// Debian imports the Debian with Python that scripts/debian-base.sh made, for nothing can be pulled, and
// removes it after the test. It returns the image's name.
func Debian(tb testing.TB, c *engine.Client) string {
	tb.Helper()
	path := os.Getenv("FAAS_CLI_DEBIAN_BASE")
	if path == "" {
		tb.Skip("NOT TESTED: no Debian base; run make test-docker as root where a Debian mirror can be reached")
	}
	tar, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer tar.Close() //nolint:errcheck // only read
	name := Name("faas-cli-test/debian") + ":1"
	RemoveImage(tb, c, name)
	if err := c.Import(tb.Context(), tar, name); err != nil {
		tb.Fatalf("import %s: %v", path, err)
	}
	return name
}

// NoProcess waits until no process of this machine, where the engine has to be, has a text among its arguments.
func NoProcess(tb testing.TB, arg string) {
	tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		running := false
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, l := range lines {
			if b, err := os.ReadFile(l); err == nil && strings.Contains(string(b), arg) {
				running = true
			}
		}
		if !running {
			return
		}
		if time.Now().After(deadline) {
			tb.Errorf("a process with %q still runs", arg)
			return
		}
	}
}

// RemoveImage removes an image after the test, if it is there then, and with it all images that are
// labelled with the test's name: building again takes the name off the image that had it.
func RemoveImage(tb testing.TB, c *engine.Client, name string) {
	cleanup(tb, "image "+name, func(ctx context.Context) error {
		refs, err := c.ImagesLabelled(ctx, Label+"="+tb.Name())
		if err != nil {
			return err
		}
		for _, ref := range append(refs, name) {
			if err := c.RemoveImage(ctx, ref, true); err != nil && !errors.Is(err, engine.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// RemoveContainer removes a container after the test, if it is there then.
func RemoveContainer(tb testing.TB, c *engine.Client, id string) {
	cleanup(tb, "container "+id, func(ctx context.Context) error { return c.RemoveContainer(ctx, id) })
}

// RemoveNetwork removes a network after the test, if it is there then.
func RemoveNetwork(tb testing.TB, c *engine.Client, id string) {
	cleanup(tb, "network "+id, func(ctx context.Context) error { return c.RemoveNetwork(ctx, id) })
}

// FunctionDockerfile packs [FunctionProgram] with nothing below it.
const FunctionDockerfile = "FROM scratch\nCOPY function /function\nUSER 1000\nEXPOSE 8080\nENTRYPOINT [\"/function\"]\n"

// FunctionImage builds an image of [FunctionProgram] and removes it after the test.
func FunctionImage(tb testing.TB, c *engine.Client, name string) string {
	tb.Helper()
	return Image(tb, c, name, fstest.MapFS{
		"Dockerfile": {Data: []byte(FunctionDockerfile), Mode: 0o644},
		"function":   {Data: FunctionProgram(tb), Mode: 0o755},
	})
}

// FunctionProgram is testdata/function as a static Linux program: a server whose faults are chosen
// by its environment. It is compiled once per test binary.
func FunctionProgram(tb testing.TB) []byte {
	tb.Helper()
	data, err := functionProgram()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

var functionProgram = sync.OnceValues(func() ([]byte, error) {
	_, self, _, _ := runtime.Caller(0)
	dir, err := os.MkdirTemp("", "enginetest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	out := filepath.Join(dir, "function")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, ".") //nolint:noctx // shared by all tests
	cmd.Dir = filepath.Join(filepath.Dir(self), "testdata", "function")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=-buildvcs=false")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, &buildError{msg: string(msg), err: err}
	}
	return os.ReadFile(out)
})

type buildError struct {
	msg string
	err error
}

func (e *buildError) Error() string {
	return "build the function program: " + e.err.Error() + "\n" + e.msg
}
func (e *buildError) Unwrap() error { return e.err }
