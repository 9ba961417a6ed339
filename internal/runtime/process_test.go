//go:build linux

package runtime_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/faas-cli/faas-cli/internal/processtest"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

func TestMain(m *testing.M) { processtest.Main(m) }

// oneImage is an image store with one image, under any digest.
type oneImage struct {
	img         v1.Image
	interpreter string
}

func (oneImage) Native(string) bool                                { return true }
func (o oneImage) Interpreter(string) string                       { return o.interpreter }
func (o oneImage) Image(context.Context, string) (v1.Image, error) { return o.img, nil }

func newProcess(t *testing.T, dir string, img v1.Image) runtime.Runtime {
	t.Helper()
	p := runtime.NewProcess(runtime.ProcessConfig{
		Dir: dir, Images: oneImage{img: img}, Supervisor: processtest.Supervisor(), Path: os.Getenv("PATH"), Log: slog.New(slog.DiscardHandler),
	})
	if _, err := p.Adopt(t.Context(), func(runtime.Ref) bool { return true }); err != nil {
		t.Fatal(err)
	}
	return p
}

func processSpec() runtime.Spec {
	return runtime.Spec{Ref: runtime.Ref{Name: "fn", Namespace: "ns"}, Image: "fn", Digest: "sha256:" + strings.Repeat("0", 64), Env: map[string]string{}}
}

func startProcess(t *testing.T, p runtime.Runtime, s runtime.Spec) runtime.Replica {
	t.Helper()
	r, err := p.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(context.WithoutCancel(t.Context()), time.Second) })
	if err := runtime.WaitHealthy(t.Context(), http.DefaultClient, r, ""); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestProcessThatIgnoresItsEndIsEndedByForce(t *testing.T) {
	t.Parallel()
	p := newProcess(t, t.TempDir(), processtest.Image(t))
	s := processSpec()
	s.Env["deaf"] = "1"
	r := startProcess(t, p, s)
	if err := r.Stop(t.Context(), 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if got := r.Exit(); got.Code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %+v", got)
	}
}

func TestProcessEndsWithAGatewayThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newProcess(t, dir, processtest.Image(t))
	r := startProcess(t, p, processSpec())
	res, err := http.Get("http://" + r.Info().Address) //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	var function struct{ PID int }
	err = json.NewDecoder(res.Body).Decode(&function)
	_ = res.Body.Close()
	if err != nil || function.PID == 0 {
		t.Fatalf("%+v, %v", function, err)
	}
	// What a gateway's death looks like to the supervisor: the end of its standard input.
	if err := r.(interface{ Disconnect() error }).Disconnect(); err != nil {
		t.Fatal(err)
	}
	if _, err := newProcess(t, dir, processtest.Image(t)).Adopt(t.Context(), func(runtime.Ref) bool { return true }); err != nil { // the next gateway waits for that
		t.Fatal(err)
	}
	// Not its port: that may be another program's by now.
	if err := syscall.Kill(function.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the function lives on: %v", err)
	}
}

func TestProcessAdoptForgetsWhatIsNotDeployed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newProcess(t, dir, processtest.Image(t))
	r := startProcess(t, p, processSpec())
	if err := r.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	logs := filepath.Join(dir, "logs", processSpec().Ref.String())
	for _, deployed := range []bool{true, false} {
		if _, err := p.Adopt(t.Context(), func(f runtime.Ref) bool { return deployed && f == processSpec().Ref }); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(logs); (err == nil) != deployed {
			t.Errorf("deployed %t: logs: %v", deployed, err)
		}
	}
}

func TestProcessThatCannotBeExecutedSaysWhy(t *testing.T) {
	t.Parallel()
	p := newProcess(t, t.TempDir(), processtest.Image(t))
	for _, command := range [][]string{{"no-such-command"}, {"/app/greeting.txt"}} {
		s := processSpec()
		s.Command = command
		_, err := p.Start(t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), filepath.Base(command[0])) {
			t.Errorf("%v: %v", command, err)
		}
	}
}

// Where the system allows no private mounts the secrets are in a folder that a variable names, and a note says so when the
// function is deployed.
func TestProcessSecretsWithoutPrivateMounts(t *testing.T) {
	t.Parallel()
	probeless := filepath.Join(t.TempDir(), "supervisor")                                                             // as it is where the probe fails
	if err := os.WriteFile(probeless, []byte("#!/bin/sh\n[ \"$3\" != probe ] && exec \"$@\"\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	p := runtime.NewProcess(runtime.ProcessConfig{
		Dir: t.TempDir(), Images: oneImage{img: processtest.Image(t)}, Supervisor: append([]string{probeless}, processtest.Supervisor()...),
		Path: os.Getenv("PATH"), Log: slog.New(slog.DiscardHandler),
	})
	if _, err := p.Adopt(t.Context(), func(runtime.Ref) bool { return true }); err != nil {
		t.Fatal(err)
	}
	s := processSpec()
	s.Secrets = map[string][]byte{"key": []byte("value")}
	if notes := p.Notes(s); len(notes) != 1 || !strings.Contains(notes[0], "secrets of fn are not at "+runtime.SecretsPath) || !strings.Contains(notes[0], runtime.SecretsDirVariable) {
		t.Errorf("notes = %q; want where the secrets are", notes)
	}
	r := startProcess(t, p, s)
	get := func(path string) []byte {
		res, err := http.Get("http://" + r.Info().Address + path) //nolint:noctx // a test
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var env []string
	if err := json.Unmarshal(get("/env"), &env); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(env, func(kv string) bool { return strings.HasPrefix(kv, runtime.SecretsDirVariable+"=") })
	if i < 0 {
		t.Fatalf("%s is not in %q", runtime.SecretsDirVariable, env)
	}
	folder := strings.TrimPrefix(env[i], runtime.SecretsDirVariable+"=")
	if got := get("/file?path=" + url.QueryEscape(folder+"/key")); string(got) != "value" {
		t.Errorf("%s/key: %q", folder, got)
	}
}

// The interpreter that an image was built for takes the place of its name in the
// image's own command, and is looked up on PATH when it is gone.
func TestProcessRunsTheInterpreterOfTheBuild(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	var paths []string
	for _, name := range []string{"recorded", "interpreter"} {
		path := filepath.Join(bin, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho \"$0 $1\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	img, err := processtest.ImageOf([]string{"interpreter", "entry"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		recorded string
		command  []string
		want     string
	}{
		{paths[0], nil, paths[0] + " entry"},
		{paths[0], []string{"interpreter", "other"}, paths[0] + " other"},
		{paths[0], []string{"sh", "-c", "echo shell $0", "x"}, "shell x"},
		{filepath.Join(bin, "gone"), nil, paths[1] + " entry"},
		{"", nil, paths[1] + " entry"},
	} {
		p := runtime.NewProcess(runtime.ProcessConfig{
			Dir: t.TempDir(), Images: oneImage{img, tt.recorded}, Supervisor: processtest.Supervisor(),
			Path: bin + ":" + os.Getenv("PATH"), Log: slog.New(slog.DiscardHandler),
		})
		s := processSpec()
		s.Command = tt.command
		r, err := p.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		<-r.Done()
		var lines []string
		for line, err := range p.Logs(t.Context(), s.Ref, runtime.LogQuery{Tail: -1}) {
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line.Text)
		}
		if got := strings.Join(lines, "\n"); got != tt.want {
			t.Errorf("%+v: it said %q", tt, got)
		}
	}
}

func TestProcessSecretsAreAtTheirPathForOrdinaryUsers(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become an ordinary user")
	}
	if exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urm", "true").Run() != nil {
		t.Skip("this system lets ordinary users have no namespaces")
	}
	dir, err := os.MkdirTemp("/tmp", "secrets")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self := filepath.Join(dir, "self")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o777), os.WriteFile(self, b, 0o755)); err != nil { //nolint:gosec // for another user
		t.Fatal(err)
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", self, "-test.run=^TestProcessSecretsHelper$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HELPER_DIR=" + filepath.Join(dir, "state"), "TMPDIR=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestProcessSecretsHelper")) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestProcessSecretsHelper is a part of the test above that runs as another user.
func TestProcessSecretsHelper(t *testing.T) {
	dir := os.Getenv("HELPER_DIR")
	if dir == "" {
		t.Skip("not by itself")
	}
	p := newProcess(t, dir, processtest.Image(t))
	s := processSpec()
	s.Secrets = map[string][]byte{"key": []byte("value")}
	if notes := p.Notes(s); len(notes) > 0 {
		t.Error(notes)
	}
	r := startProcess(t, p, s)
	res, err := http.Get("http://" + r.Info().Address + "/file?path=" + runtime.SecretsPath + "/key") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, err := io.ReadAll(res.Body); string(b) != "value" {
		t.Errorf("%q, %v", b, err)
	}
	caps, err := http.Get("http://" + r.Info().Address + "/file?path=/proc/self/status") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caps.Body.Close() }()
	if b, _ := io.ReadAll(caps.Body); !bytes.Contains(b, []byte("CapEff:\t0000000000000000")) {
		t.Errorf("the function has capabilities: %s", b)
	}
}

func TestUnpackingKeepsToItsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, files := range [][]*tar.Header{
		{{Name: "../../evil", Typeflag: tar.TypeReg}},
		{{Name: "out", Typeflag: tar.TypeSymlink, Linkname: dir}, {Name: "out/evil", Typeflag: tar.TypeReg}},
		{{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "out/evil", Typeflag: tar.TypeReg}},
	} {
		state := filepath.Join(dir, fmt.Sprint(i))
		p := newProcess(t, state, imageOf(t, files))
		_, err := p.Start(t.Context(), processSpec())
		if err == nil {
			t.Error("an image without a command starts")
		}
		for _, place := range []string{filepath.Join(dir, "evil"), filepath.Join(state, "evil"), filepath.Join(state, "process", "evil")} {
			if _, err := os.Stat(place); err == nil {
				t.Errorf("%d: a file got out, to %s", i, place)
			}
		}
		if err := p.Purge(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func imageOf(t *testing.T, files []*tar.Header) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range files {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
