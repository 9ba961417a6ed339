package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// newNative is a native engine with a store of its own; the caches of the Go
// tool are shared.
func newNative(t *testing.T) *Native {
	t.Helper()
	return &Native{Store: registry.Open(filepath.Join(t.TempDir(), "images")), Cache: t.TempDir(), Env: os.Environ()}
}

func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not on PATH", name)
	}
}

// embedded prepares function fn from handler ./fn and an embedded template.
func (p *project) embedded(t *testing.T, lang string) *Context {
	t.Helper()
	tpl, err := templates.OpenEmbedded(lang)
	if err != nil {
		t.Fatal(err)
	}
	b := ContextBuilder{Project: p.root}
	c, err := b.Prepare(t.Context(), stack.Function{Name: "fn", Function: schema.Function{Language: lang, Handler: "./fn"}}, tpl)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eventLog collects events.
type eventLog struct {
	mu     sync.Mutex
	events []Event
}

func (l *eventLog) on(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *eventLog) text(kind EventKind) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, e := range l.events {
		if e.Kind == kind {
			lines = append(lines, e.Text)
		}
	}
	return strings.Join(lines, "\n")
}

func (n *Native) mustBuild(t *testing.T, req Request) Result {
	t.Helper()
	var log eventLog
	res, err := n.Build(t.Context(), req, log.on)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.text(EventLog))
	}
	return res
}

func (n *Native) image(t *testing.T, name string) v1.Image {
	t.Helper()
	h, ok, err := n.Store.Resolve(name)
	if err != nil || !ok {
		t.Fatalf("resolve %s: %v, %v", name, ok, err)
	}
	if !n.Store.Native(h) {
		t.Errorf("%s is not marked as built here", name)
	}
	img, err := n.Store.Image(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// unpack extracts an image into a folder.
func unpack(t *testing.T, img v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	layers := mutate.Extract(img)
	defer layers.Close()
	for r := tar.NewReader(layers); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, content, os.FileMode(h.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serve starts the image as the process runtime does, and returns its address.
func serve(t *testing.T, img v1.Image, env ...string) string {
	t.Helper()
	return serveFrom(t, img, unpack(t, img), env...)
}

// serveFrom starts the image that is unpacked in dir.
func serveFrom(t *testing.T, img v1.Image, dir string, env ...string) string {
	t.Helper()
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	args := file.Config.Entrypoint
	if strings.HasPrefix(args[0], "/") {
		args[0] = filepath.Join(dir, args[0])
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = filepath.Join(dir, file.Config.WorkingDir)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), "bind_address=" + host, "port=" + port}, env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the function ended with %v:\n%s", err, output.String())
		}
		if t.Failed() {
			t.Logf("output of the function:\n%s", output.String())
		}
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		res, err := http.Get("http://" + address + "/_/health")
		if err == nil {
			res.Body.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("the function does not answer: %v\n%s", err, output.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	code, answer, err := tryPost(url, body)
	if err != nil {
		t.Fatal(err)
	}
	return code, answer
}

func tryPost(url, body string) (code int, answer string, err error) {
	res, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

const goHandler = `package function

import (
	"io"
	"net/http"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Write(append([]byte("got "), b...))
}
`

func TestNativeBuildsAndServesGo(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.go": goHandler, "fn/static/page.html": "<p>"})
	res := n.mustBuild(t, Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}, Labels: map[string]string{"a": "b"}})
	img := n.image(t, "me/fn:1")
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := file.Config; c.User == "" || c.User == "0" || c.Labels["a"] != "b" || c.WorkingDir != "/home/app" || !file.Created.IsZero() {
		t.Errorf("configuration = %+v, created %v", c, file.Created)
	}
	if h, _ := img.Digest(); h.String() != string(res.Digest) {
		t.Errorf("digest = %s; the store has %s", res.Digest, h)
	}
	address := serve(t, img)
	if code, body := post(t, "http://"+address+"/x?y=z", "hello"); code != 200 || body != "got hello" {
		t.Errorf("answer = %d %q", code, body)
	}
	if page, err := os.ReadFile(filepath.Join(unpack(t, img), "home/app/static/page.html")); err != nil || string(page) != "<p>" {
		t.Errorf("files of the handler are not in the image: %v", err)
	}
}

func TestNativeGoIsReproducible(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	var digests []string
	for i := range 2 {
		n := newNative(t)
		p := newProject(t, map[string]string{"fn/handler.go": goHandler, "fn/data.txt": "d"})
		if i == 1 { // another umask and another time
			os.Chmod(filepath.Join(p.dir, "fn/data.txt"), 0o664)
			os.Chtimes(filepath.Join(p.dir, "fn/data.txt"), time.Time{}, time.Unix(1e9, 0))
		}
		res, err := Build(t.Context(), SkipUnchanged(n, nil), Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, string(res.Digest))
	}
	if digests[0] != digests[1] {
		t.Errorf("same source, different images: %q", digests)
	}
}

func TestNativeGoModuleOfItsOwn(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	n := newNative(t)
	p := newProject(t, map[string]string{
		"fn/go.mod":                      "module example.com/me/hello // mine\n\ngo 1.22\n\nrequire example.com/dep v1.0.0\n",
		"fn/handler.go":                  "package function\n\nimport (\n\t\"net/http\"\n\n\t\"example.com/dep\"\n\t\"example.com/me/hello/pkg/inner\"\n)\n\nfunc Handle(w http.ResponseWriter, r *http.Request) { w.Write([]byte(dep.Text + inner.Text)) }\n",
		"fn/pkg/inner/inner.go":          "package inner\n\nconst Text = \" and inner\"\n",
		"fn/vendor/modules.txt":          "# example.com/dep v1.0.0\n## explicit\nexample.com/dep\n",
		"fn/vendor/example.com/dep/d.go": "package dep\n\nconst Text = \"vendored\"\n",
	})
	n.Env = append(n.Env, "GOPROXY=off") // nothing needs the network
	n.mustBuild(t, Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputEngine}}})
	if _, body := post(t, "http://"+serve(t, n.image(t, "me/fn:1")), ""); body != "vendored and inner" {
		t.Errorf("answer = %q", body)
	}
}

func TestNativeCompileErrorHasTheUsersFileName(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.go": "package function\n\nfunc Handle() { undefinedThing() }\n", "fn/sub/x.go": "package sub\n"})
	var log eventLog
	_, err := n.Build(t.Context(), Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1"}, log.on)
	if failed := (*FailedError)(nil); !errors.As(err, &failed) || !strings.HasPrefix(failed.First, "fn/handler.go:3:") {
		t.Errorf("error = %v; want one that begins with fn/handler.go:3:", err)
	}
	if text := log.text(EventLog); !strings.Contains(text, "fn/handler.go:3:17: undefined: undefinedThing") {
		t.Errorf("log:\n%s", text)
	}
}

func TestNativeBuildsForSeveralPlatforms(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.go": goHandler})
	platforms, err := ParsePlatforms("linux/amd64,linux/arm/v7")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	req := Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Platforms: platforms, Outputs: []Output{{Kind: OutputEngine}, {Kind: OutputOCI, Dest: dir}}}
	res := n.mustBuild(t, req)
	h, _, err := n.Store.Resolve("me/fn:1")
	if err != nil || h.String() != string(res.Digest) {
		t.Fatalf("the store has %v, %v; want %v", h, err, res.Digest)
	}
	idx, err := n.Store.Index(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil || len(m.Manifests) != 2 || m.Manifests[1].Platform.String() != "linux/arm/v7" {
		t.Errorf("index = %+v, %v", m, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
		t.Error(err)
	}
	n.mustBuild(t, req) // over the layout that is there
}

// The function runs with the Python that it was built with, and not through what
// finds it on PATH. An image that was built for another is not taken for
// unchanged, though it is the same.
func TestNativeRecordsThePythonOfTheBuild(t *testing.T) {
	t.Parallel()
	needTool(t, "python3")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.py": "def handle(req):\n    return req\n"})
	e := SkipUnchanged(n, nil)
	build := func() (Result, string) {
		t.Helper()
		res, err := Build(t.Context(), e, Request{Context: p.embedded(t, "python3-http"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := v1.NewHash(string(res.Digest))
		if err != nil {
			t.Fatal(err)
		}
		return res, n.Store.Interpreter(h)
	}
	first, python := build()
	out, err := exec.Command(python, "-c", "import sys; print(sys.executable)").Output()
	if err != nil || strings.TrimSpace(string(out)) != python {
		t.Fatalf("interpreter %q calls itself %q, %v", python, out, err)
	}
	if again, _ := build(); !again.Skipped {
		t.Error("nothing changed, but it was built")
	}
	h, _ := v1.NewHash(string(first.Digest))
	if err := n.Store.MarkNative(h, "/elsewhere/python3"); err != nil {
		t.Fatal(err)
	}
	if again, now := build(); again.Skipped || now != python || again.Digest != first.Digest {
		t.Errorf("after another Python: %+v for %q; want the image %s for %q", again, now, first.Digest, python)
	}
}

func TestNativeBuildsAndServesPython(t *testing.T) {
	t.Parallel()
	needTool(t, "python3")
	for name, c := range map[string]struct{ handler, want string }{
		"event and context": {"def handle(event, context):\n    return {'statusCode': 201, 'body': event.method + ' ' + event.path + ' ' + event.query['q'] + ' ' + event.body.decode()}\n", "201 POST /p v hello"},
		"text":              {"def handle(req):\n    return 'Hello, ' + req + '!'\n", "200 Hello, hello!"},
		"generator":         {"def handle(event, context):\n    return {'body': (x for x in ['a', 'b'])}\n", "200 ab"},
		"json":              {"def handle(event, context):\n    return {'body': {'a': 1}}\n", `200 {"a": 1}`},
		"async":             {"async def handle(event, context):\n    return 'async'\n", "200 async"},
		"sibling":           {"from . import other\ndef handle(req):\n    return other.x\n", "200 sibling"},
		"failure":           {"def handle(req):\n    raise ValueError('boom')\n", "500 the function failed: see its logs\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNative(t)
			p := newProject(t, map[string]string{"fn/handler.py": c.handler, "fn/other.py": "x = 'sibling'\n", "fn/__pycache__/x.pyc": "x"})
			n.mustBuild(t, Request{Context: p.embedded(t, "python3-http"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}})
			img := n.image(t, "me/fn:1")
			if _, err := os.Stat(filepath.Join(unpack(t, img), "home/app/function/__pycache__")); err == nil {
				t.Error("byte code is in the image")
			}
			code, body := post(t, "http://"+serve(t, img)+"/p?q=v", "hello")
			want := c.want
			if got := http.StatusText(code); got == "" || want[:3]+" " != want[:4] || want != itoa(code)+" "+body {
				t.Errorf("answer = %d %q; want %q", code, body, want)
			}
		})
	}
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

func TestNativePythonSyntaxErrorHasTheUsersFileName(t *testing.T) {
	t.Parallel()
	needTool(t, "python3")
	p := newProject(t, map[string]string{"fn/handler.py": "def handle(req):\n    return (\n"})
	_, err := newNative(t).Build(t.Context(), Request{Context: p.embedded(t, "python3-http"), Image: "me/fn:1"}, func(Event) {})
	if failed := (*FailedError)(nil); !errors.As(err, &failed) || !strings.HasPrefix(failed.First, "fn/handler.py:2: SyntaxError") {
		t.Errorf("error = %v; want one with fn/handler.py:2: SyntaxError", err)
	}
}

func TestNativePythonMistakenRequirementHasItsFileName(t *testing.T) {
	t.Parallel()
	needTool(t, "python3")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.py": "def handle(req): return req\n", "fn/requirements.txt": "mistaken@@@\n"})
	_, err := n.Build(t.Context(), Request{Context: p.embedded(t, "python3-http"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}}, func(Event) {})
	if err == nil || !strings.Contains(err.Error(), "line 1 of requirements.txt") || strings.Contains(err.Error(), n.Cache) {
		t.Errorf("error = %v; want one with the user's file and not the cache", err)
	}
}

func TestNativePythonIsNotForOtherMachines(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"fn/handler.py": "def handle(req): return req\n"})
	_, err := Build(t.Context(), newNative(t), Request{Context: p.embedded(t, "python3-http"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputRegistry}}}, nil)
	if unsupported := (*UnsupportedError)(nil); !errors.As(err, &unsupported) {
		t.Errorf("error = %v; want an UnsupportedError", err)
	}
}

func TestNativeNeedsAToolOfAnAge(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"fn/handler.py": "x", "fn/handler.go": goHandler})
	for lang, tool := range map[string]string{"golang-middleware": "go", "python3-http": "python3"} {
		n := newNative(t)
		n.Env = []string{"PATH=" + t.TempDir()}
		_, err := n.Build(t.Context(), Request{Context: p.embedded(t, lang), Image: "me/fn:1"}, func(Event) {})
		if missing := (*ToolError)(nil); !errors.As(err, &missing) || missing.Tool != tool || missing.Have != "" || missing.Need == "" {
			t.Errorf("%s: error = %v; want a ToolError", lang, err)
		}
	}
	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, "go"), []byte("#!/bin/sh\necho go1.9.7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	n := newNative(t)
	n.Env = []string{"PATH=" + old}
	_, err := n.Build(t.Context(), Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1"}, func(Event) {})
	if missing := (*ToolError)(nil); !errors.As(err, &missing) || missing.Have != "1.9.7" {
		t.Errorf("error = %v; want a ToolError with 1.9.7", err)
	}
}

func TestNativeRefusesATemplateThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	c := newProject(t, basics()).mustPrepare(t)
	_, err := Build(t.Context(), newNative(t), Request{Context: c, Image: "me/fn:1"}, nil)
	if no := (*NoLocalError)(nil); !errors.As(err, &no) || no.Language != "tpl" {
		t.Errorf("error = %v; want a NoLocalError", err)
	}
}

func TestNativeInterruptEndsTheCompiler(t *testing.T) {
	t.Parallel()
	slow := t.TempDir()
	script := "#!/bin/sh\nif [ \"$1\" = env ]; then echo go1.99; exit; fi\nexec sleep 60\n"
	if err := os.WriteFile(filepath.Join(slow, "go"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	n := newNative(t)
	n.Env = []string{"PATH=" + slow + ":" + os.Getenv("PATH")}
	p := newProject(t, map[string]string{"fn/handler.go": goHandler})
	why := errors.New("interrupt")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := n.Build(ctx, Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1"}, func(e Event) {
		if strings.HasPrefix(e.Text, "compiling") {
			cancel(why)
		}
	})
	if !errors.Is(err, why) {
		t.Errorf("error = %v; want the cause of the end", err)
	}
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have, need string
		want       bool
	}{
		{"1.22", "1.22", false}, {"1.22.1", "1.22", false}, {"1.9", "1.22", true}, {"1.26-devel", "1.22", false},
		{"1.22rc1", "1.22", false}, {"3.11.7", "3.8", false}, {"2.7.18", "3.8", true}, {"1", "1.0", false}, {"1", "1.1", true},
	} {
		if got := olderThan(c.have, c.need); got != c.want {
			t.Errorf("olderThan(%q, %q) = %v", c.have, c.need, got)
		}
	}
}
