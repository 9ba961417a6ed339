package builder

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// fakeKeeper counts builds and remembers images by name and output.
type fakeKeeper struct {
	mu     sync.Mutex
	builds int
	held   map[string]Held
	during func() // runs while something is built
}

func (k *fakeKeeper) Capabilities(context.Context) (Capabilities, error) {
	return Capabilities{Name: "fake", Outputs: []OutputKind{OutputEngine, OutputRegistry}, NoCache: true, Pull: true, Labels: true}, nil
}

func (k *fakeKeeper) Fingerprint(ctx context.Context, req Request) (digest.Digest, error) {
	return req.Fingerprint(ctx, "fake")
}

func (k *fakeKeeper) Held(_ context.Context, req Request, o Output) (Held, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held[req.Image+string(o.Kind)], nil
}

func (k *fakeKeeper) Build(_ context.Context, req Request, _ func(Event)) (Result, error) {
	if k.during != nil {
		k.during()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.builds++
	d := digest.FromString(fmt.Sprint(req.Image, k.builds))
	if k.held == nil {
		k.held = map[string]Held{}
	}
	for _, o := range req.Outputs {
		k.held[req.Image+string(o.Kind)] = Held{Digest: d, Fingerprint: digest.Digest(req.Labels[LabelFingerprint])}
	}
	return Result{Digest: d}, nil
}

func TestSkipUnchangedBuildsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	k := &fakeKeeper{}
	e := SkipUnchanged(k, nil)
	p := newProject(t, basics())
	p.write(t, "secret.txt", "one")
	build := func(change func(*Request)) bool {
		t.Helper()
		req := Request{
			Context: p.mustPrepare(t), Image: "me/fn:1", Outputs: []Output{{Kind: OutputEngine}},
			Args: map[string]string{"A": "1"}, Secrets: []Secret{{ID: "s", Path: filepath.Join(p.dir, "secret.txt")}},
		}
		if change != nil {
			change(&req)
		}
		res, err := e.Build(t.Context(), req, func(Event) {})
		if err != nil {
			t.Fatal(err)
		}
		return !res.Skipped
	}
	for _, c := range []struct {
		what   string
		change func(*Request)
		built  bool
	}{
		{"the first time", nil, true},
		{"nothing changed", nil, false},
		{"another argument", func(r *Request) { r.Args = map[string]string{"A": "2"} }, true},
		{"the argument as before", nil, true},
		{"a label", func(r *Request) { r.Labels = map[string]string{"l": "1"} }, true},
		{"no label", nil, true},
		{"another content of the secret", func(*Request) { p.write(t, "secret.txt", "two") }, true},
		{"nothing changed again", nil, false},
		{"--force", func(r *Request) { r.Force = true }, true},
		{"--no-cache", func(r *Request) { r.NoCache = true }, true},
		{"--pull", func(r *Request) { r.Pull = true }, true},
		{"another output", func(r *Request) { r.Outputs = append(r.Outputs, Output{Kind: OutputRegistry}) }, true},
		{"both outputs have it", func(r *Request) { r.Outputs = append(r.Outputs, Output{Kind: OutputRegistry}) }, false},
	} {
		if built := build(c.change); built != c.built {
			t.Errorf("%s: built = %v; want %v", c.what, built, c.built)
		}
	}
}

func TestSkipUnchangedDistrustsABuildUnderAnEdit(t *testing.T) {
	t.Parallel()
	k := &fakeKeeper{}
	e := SkipUnchanged(k, &Records{Dir: filepath.Join(t.TempDir(), "builds")})
	p := newProject(t, basics())
	k.during = func() { p.write(t, "fn/h.txt", "edited while it is built\n") }
	var log eventLog
	build := func() Result {
		t.Helper()
		res, err := e.Build(t.Context(), Request{Context: p.mustPrepare(t), Image: "me/fn:1", Outputs: []Output{{Kind: OutputEngine}}}, log.on)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	build()
	if !strings.Contains(log.text(EventWarning), "fn/h.txt") {
		t.Errorf("warnings = %q; want one that names the file", log.text(EventWarning))
	}
	k.during = nil
	p.write(t, "fn/h.txt", "mine\n") // as it was when the build began
	if build().Skipped {
		t.Error("an image that may hold something else was taken for unchanged")
	}
	if !build().Skipped {
		t.Error("the build after that was not skipped")
	}
}

func TestNativeTwoBuildsOfOneFunctionAtOnce(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.go": goHandler})
	var wg sync.WaitGroup
	var digests [2]digest.Digest
	for i := range digests {
		wg.Go(func() {
			res, err := n.Build(t.Context(), Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}}, func(Event) {})
			if err != nil {
				t.Error(err)
			}
			digests[i] = res.Digest
		})
	}
	wg.Wait()
	if digests[0] != digests[1] || digests[0] == "" {
		t.Errorf("digests = %q", digests)
	}
}

// tinyWheel writes a wheel of one module, which pip installs without network.
func tinyWheel(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "tinypkg-1.0-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for name, content := range map[string]string{
		"tinypkg.py":                       "text = 'from a wheel'\n",
		"tinypkg-1.0.dist-info/METADATA":   "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.0\n",
		"tinypkg-1.0.dist-info/WHEEL":      "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"tinypkg-1.0.dist-info/RECORD":     "tinypkg.py,,\n",
		"tinypkg-1.0.data/scripts/tiny.py": "#!python\nprint(1)\n",
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNativePythonInstallsRequirementsOnce(t *testing.T) {
	t.Parallel()
	needTool(t, "python3")
	wheels := t.TempDir()
	tinyWheel(t, wheels)
	files := map[string]string{
		"fn/handler.py":       "import tinypkg\ndef handle(req):\n    return tinypkg.text\n",
		"fn/requirements.txt": "--no-index\n--find-links " + wheels + "\ntinypkg==1.0 # pinned\n",
	}
	n := newNative(t)
	var digests []digest.Digest
	for i := range 2 {
		var log eventLog
		res, err := n.Build(t.Context(), Request{Context: newProject(t, files).embedded(t, "python3-http"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}}, log.on)
		if err != nil {
			t.Fatalf("%v\n%s", err, log.text(EventLog))
		}
		if installed := strings.Contains(log.text(EventStep), "installing"); installed != (i == 0) {
			t.Errorf("build %d: installed = %v", i, installed)
		}
		digests = append(digests, res.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("digests differ: %q", digests)
	}
	if code, body := post(t, "http://"+serve(t, n.image(t, "me/fn:1")), ""); code != 200 || body != "from a wheel" {
		t.Errorf("answer = %d %q", code, body)
	}
	files["fn/requirements.txt"] = "--no-index\nnot-there-at-all\n"
	_, err := n.Build(t.Context(), Request{Context: newProject(t, files).embedded(t, "python3-http"), Image: "me/fn:1"}, func(Event) {})
	if failed := (*FailedError)(nil); !errors.As(err, &failed) || failed.Tool != "pip" || !strings.Contains(failed.First, "not-there-at-all") {
		t.Errorf("error = %v; want pip's, with the name", err)
	}
}

// The image has no Python, so without dependencies every Python gives the same one.
func TestNativePythonVersionCountsOnlyForDependencies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		requirements string
		same         bool
	}{"no dependencies": {"# none\n", true}, "dependencies": {"tinypkg\n", false}} {
		var fingerprints []string
		for _, version := range []string{"3.11.2", "3.12.0"} {
			bin := t.TempDir()
			script := "#!/bin/sh\necho '" + version + " linux-x86_64 cpython'\n"
			if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			n := newNative(t)
			n.Env = []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}
			p := newProject(t, map[string]string{"fn/handler.py": "def handle(req):\n    return req\n", "fn/requirements.txt": c.requirements})
			req := Request{Context: p.embedded(t, "python3-http"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}}
			f, err := n.Fingerprint(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			fingerprints = append(fingerprints, string(f))
		}
		if same := fingerprints[0] == fingerprints[1]; same != c.same {
			t.Errorf("%s: another Python, same fingerprint = %v; want %v", name, same, c.same)
		}
	}
}
