package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/opencontainers/go-digest"
)

func basics() map[string]string {
	return map[string]string{
		"template/tpl/template.yml":       "language: tpl\n",
		"template/tpl/Dockerfile":         "FROM tpl\n",
		"template/tpl/run.sh*":            "#!/bin/sh\n",
		"template/tpl/function/start.txt": "starter\n",
		"template/tpl/function/h.txt":     "template\n",
		"fn/h.txt":                        "mine\n",
		"fn/sub/deep/x.txt":               "x\n",
	}
}

// listing renders a tree: a line an entry.
func listing(t *testing.T, fsys fs.FS) string {
	t.Helper()
	var lines []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		switch d.Type() {
		case fs.ModeDir:
			lines = append(lines, name+"/")
		case fs.ModeSymlink:
			target, err := fs.ReadLink(fsys, name)
			lines = append(lines, name+" -> "+target)
			return err
		default:
			b, err := fs.ReadFile(fsys, name)
			lines = append(lines, name+" "+strings.TrimSpace(string(b)))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestContextIsTemplateOverlaidByHandlerAndExtras(t *testing.T) {
	t.Parallel()
	files := basics()
	files["common/sub/c.txt"] = "c\n"
	files["a/b.txt"] = "b\n"
	files["fn/build/out"] = "left out"
	files["fn/template/x"] = "left out"
	files["fn/sub/build/kept"] = "k\n"
	files["fn/.openfaas/config.yml"] = "secret"
	files["fn/.env"] = "e\n"
	files["link:fn/link"] = "sub/deep"
	files["link:fn/loop"] = "."
	p := newProject(t, files)
	c := p.mustPrepare(t, "./common", "a/b.txt")
	want := `Dockerfile FROM tpl
function/
function/.env e
function/a/
function/a/b.txt b
function/common/
function/common/sub/
function/common/sub/c.txt c
function/h.txt mine
function/link -> sub/deep
function/loop -> .
function/start.txt starter
function/sub/
function/sub/build/
function/sub/build/kept k
function/sub/deep/
function/sub/deep/x.txt x
run.sh #!/bin/sh
template.yml language: tpl`
	if got := listing(t, c.FS()); got != want {
		t.Errorf("context:\n%s\nwant:\n%s", got, want)
	}
	if err := c.WriteDir(t.Context(), "build/fn"); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, os.DirFS(filepath.Join(p.dir, "build/fn"))); got != want {
		t.Errorf("folder:\n%s\nwant:\n%s", got, want)
	}
	for name, mode := range map[string]fs.FileMode{"build": 0o700, "build/fn": 0o700, "build/fn/function": 0o700, "build/fn/run.sh": 0o755, "build/fn/function/sub": 0o755, "build/fn/function/h.txt": 0o644} {
		if info, err := os.Stat(filepath.Join(p.dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v (%v); want %v", name, info.Mode().Perm(), err, mode)
		}
	}
}

func TestContextFSIsAFileSystem(t *testing.T) {
	t.Parallel()
	c := newProject(t, basics()).mustPrepare(t)
	if err := fstest.TestFS(c.FS(), "Dockerfile", "function/h.txt", "function/sub/deep/x.txt"); err != nil {
		t.Error(err)
	}
}

func TestPrepareRefusesWhatLeavesTheProject(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "id_key")
	if err := os.WriteFile(outside, []byte("PRIVATE"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files  map[string]string
		extras []string
		change func(*source)
		want   string
	}{
		"absolute link in handler":   {files: map[string]string{"link:fn/key": outside}, want: "fn/key"},
		"link up in handler":         {files: map[string]string{"link:fn/sub/up": "../../secret"}, want: "fn/sub/up"},
		"link through a link":        {files: map[string]string{"link:fn/a": "sub", "link:fn/b": "a/../.."}, want: "fn/b"},
		"link in template":           {files: map[string]string{"link:template/tpl/key": outside}, want: "template tpl"},
		"handler outside":            {change: func(s *source) { s.handler = "../x" }, want: "outside"},
		"absolute handler":           {change: func(s *source) { s.handler = filepath.Dir(outside) }, want: "outside"},
		"handler is a link out":      {files: map[string]string{"link:out": filepath.Dir(outside)}, change: func(s *source) { s.handler = "out" }, want: "out"},
		"handler is a file":          {change: func(s *source) { s.handler = "fn/h.txt" }, want: "not a folder"},
		"handler is missing":         {change: func(s *source) { s.handler = "./gone" }, want: "./gone"},
		"no handler":                 {change: func(s *source) { s.handler = "" }, want: "no path"},
		"credentials as handler":     {files: map[string]string{".openfaas/config.yml": "s"}, change: func(s *source) { s.handler = ".openfaas" }, want: "credentials"},
		"extra outside":              {extras: []string{"../x"}, want: "outside"},
		"extra is the project":       {extras: []string{"./"}, want: "entire project"},
		"extra is a link out":        {files: map[string]string{"link:v": filepath.Dir(outside)}, extras: []string{"v"}, want: `"v"`},
		"extra holds a link out":     {files: map[string]string{"link:v/key": outside}, extras: []string{"v"}, want: "v/key"},
		"extra is missing":           {extras: []string{"gone"}, want: "gone"},
		"extra leads to credentials": {files: map[string]string{".openfaas/config.yml": "s", "link:c": ".openfaas/config.yml"}, extras: []string{"c"}, want: "credentials"},
		"name with a path":           {change: func(s *source) { s.function = "../keep" }, want: "invalid function name"},
		"name too long":              {change: func(s *source) { s.function = strings.Repeat("a", 64) }, want: "invalid function name"},
		"handler_folder up":          {change: func(s *source) { s.handlerFolder = "../../stolen" }, want: "handler_folder"},
		"handler_folder absolute":    {change: func(s *source) { s.handlerFolder = "/stolen" }, want: "handler_folder"},
		"handler_folder a file":      {change: func(s *source) { s.handlerFolder = "Dockerfile" }, want: "Dockerfile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := basics()
			for k, v := range c.files {
				files[k] = v
			}
			p := newProject(t, files)
			s := source{function: "fn", language: "tpl", handler: "./fn", template: p.template(t, "tpl").FS()}
			if c.change != nil {
				c.change(&s)
			}
			_, err := (&ContextBuilder{Project: p.root, Extras: c.extras}).prepare(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v; want one with %q", err, c.want)
			}
		})
	}
}

func TestPrepareNamesConflictOfFileAndFolder(t *testing.T) {
	t.Parallel()
	files := basics()
	files["template/tpl/function/sub"] = "a file in the template"
	if _, err := newProject(t, files).prepare(t); err == nil || !strings.Contains(err.Error(), "fn/sub") {
		t.Errorf("error = %v; want one that names fn/sub", err)
	}
}

func TestDockerfileFunctionHasHandlerAtRoot(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"fn/Dockerfile": "FROM mine\n", "fn/src/a.txt": "a\n", "x/y.txt": "y\n"})
	c, err := (&ContextBuilder{Project: p.root, Extras: []string{"x"}}).prepare(t.Context(), source{function: "fn", language: "dockerfile", handler: "fn"})
	if err != nil {
		t.Fatal(err)
	}
	want := "Dockerfile FROM mine\nsrc/\nsrc/a.txt a\nx/\nx/y.txt y"
	if got := listing(t, c.FS()); got != want {
		t.Errorf("context:\n%s\nwant:\n%s", got, want)
	}
}

func TestFaasignoreKeepsFilesOutOfEveryContext(t *testing.T) {
	t.Parallel()
	files := basics()
	files["fn/.faasignore"] = "# caches\n*.log\nsub/\n!keep.log\n"
	files["fn/a.log"], files["fn/keep.log"], files["fn/d/b.log"] = "a", "k", "b"
	c := newProject(t, files).mustPrepare(t)
	want := "Dockerfile FROM tpl\nfunction/\nfunction/d/\nfunction/h.txt mine\nfunction/keep.log k\nfunction/start.txt starter\nrun.sh #!/bin/sh\ntemplate.yml language: tpl"
	if got := listing(t, treeFS{c, c.tree}); got != want {
		t.Errorf("context:\n%s\nwant:\n%s", got, want)
	}
}

func TestDockerignoreCountsForEnginesOnly(t *testing.T) {
	t.Parallel()
	files := basics()
	files["template/tpl/.dockerignore"] = "**/*.txt\n!function/h.txt\nDockerfile\nrun.sh\n"
	files["fn/.dockerignore"] = "*\n" // not at the root of the context: no rule
	p := newProject(t, files)
	c := p.mustPrepare(t)
	want := ".dockerignore **/*.txt\n!function/h.txt\nDockerfile\nrun.sh\nDockerfile FROM tpl\nfunction/\nfunction/.dockerignore *\nfunction/h.txt mine\nfunction/sub/\nfunction/sub/deep/\ntemplate.yml language: tpl"
	if got := listing(t, c.FS()); got != want {
		t.Errorf("context:\n%s\nwant:\n%s", got, want)
	}
	if err := c.WriteDir(t.Context(), "build/fn"); err != nil {
		t.Fatal(err)
	}
	if got := p.read(t, "build/fn/function/sub/deep/x.txt"); got != "x\n" {
		t.Errorf("--shrinkwrap left out what .dockerignore names: %q", got)
	}
}

func TestWriteTarGivesSameBytesForSameFiles(t *testing.T) {
	t.Parallel()
	files := basics()
	files["link:fn/link"] = "h.txt"
	var tars [2]bytes.Buffer
	for i := range tars {
		p := newProject(t, files)
		if err := os.Chtimes(filepath.Join(p.dir, "fn/h.txt"), time.Time{}, time.Unix(int64(i*1000), 0)); err != nil {
			t.Fatal(err)
		}
		if err := p.mustPrepare(t).WriteTar(t.Context(), &tars[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(tars[0].Bytes(), tars[1].Bytes()) {
		t.Error("two tars of the same files differ")
	}
	var names []string
	for r := tar.NewReader(&tars[0]); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if !slices.Contains(names, "function/") || !slices.Contains(names, "function/h.txt") || !slices.IsSorted(names) {
		t.Errorf("names = %q", names)
	}
}

func TestFingerprintFollowsContentModeAndNames(t *testing.T) {
	t.Parallel()
	print := func(change func(p *project)) string {
		p := newProject(t, basics())
		if change != nil {
			change(p)
		}
		d, err := p.mustPrepare(t).Fingerprint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(d)
	}
	same := print(nil)
	if print(func(p *project) { os.Chtimes(filepath.Join(p.dir, "fn/h.txt"), time.Time{}, time.Unix(1, 0)) }) != same {
		t.Error("a time changed the fingerprint")
	}
	for name, change := range map[string]func(p *project){
		"content":  func(p *project) { p.write(t, "fn/h.txt", "MINE\n") },
		"template": func(p *project) { p.write(t, "template/tpl/Dockerfile", "FROM other\n") },
		"new file": func(p *project) { p.write(t, "fn/new", "") },
		"mode":     func(p *project) { os.Chmod(filepath.Join(p.dir, "fn/h.txt"), 0o755) },
		"name":     func(p *project) { os.Rename(filepath.Join(p.dir, "fn/h.txt"), filepath.Join(p.dir, "fn/i.txt")) },
		"link":     func(p *project) { p.write(t, "link:fn/l", "h.txt") },
	} {
		if print(change) == same {
			t.Errorf("%s did not change the fingerprint", name)
		}
	}
}

// What images are labelled with has to stay the same, or everything is built
// again after an update of the program.
func TestFingerprintIsWrittenAsEver(t *testing.T) {
	t.Parallel()
	sum := newRecord()
	sum.add("file", "a b", "")
	sum.add("link")
	if want := digest.FromString("4:file,3:a b,0:,\n4:link,\n"); sum.digest() != want {
		t.Errorf("digest = %s, want %s", sum.digest(), want)
	}
}

func TestFingerprintReadsFilesOfAllFoldersAndSizes(t *testing.T) {
	t.Parallel()
	content := basics()
	for i := range 5 * batch {
		content[fmt.Sprintf("fn/%d/%d", i%7, i)] = fmt.Sprint("content ", i)
	}
	for i, size := range []int{0, copyBuffer - 1, copyBuffer, copyBuffer + 1, 3 * copyBuffer} {
		content[fmt.Sprintf("fn/%d/large-%d", i, size)] = strings.Repeat(fmt.Sprint(i), size)
	}
	p := newProject(t, content)
	c := p.mustPrepare(t)
	if _, err := c.Fingerprint(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := map[string]digest.Digest{}
	for n, s := range c.digests {
		read[n.where()] = s.digest
	}
	for name, content := range content {
		if strings.HasPrefix(name, "fn/") && read[name] != digest.FromString(content) {
			t.Errorf("%s was read as %q", name, read[name])
		}
	}
}

func TestChangedNoticesAnEditAfterTheFingerprint(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	c := p.mustPrepare(t)
	if _, err := c.Fingerprint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name, changed := c.Changed(); changed {
		t.Fatalf("%s is said to have changed", name)
	}
	p.write(t, "fn/h.txt", "edited\n")
	if name, changed := c.Changed(); !changed || name != "fn/h.txt" {
		t.Errorf("Changed() = %q, %v; want fn/h.txt", name, changed)
	}
}

func TestFSHoldsWhatWasFingerprinted(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	c := p.mustPrepare(t)
	if _, err := c.Fingerprint(t.Context()); err != nil {
		t.Fatal(err)
	}
	const name = "function/h.txt"
	before, err := fs.Stat(c.FS(), name)
	if err != nil {
		t.Fatal(err)
	}
	want := listing(t, c.FS())
	p.write(t, "fn/h.txt", "edited while the engine looks at it\n")
	after, err := fs.Stat(c.FS(), name)
	if err != nil || after.Size() != before.Size() || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the file is described as it is now: %v, %v; want %v", after, err, before)
	}
	var changed *ChangedError
	if _, err := c.FS().Open(name); !errors.As(err, &changed) || changed.Path != "fn/h.txt" {
		t.Errorf("open: %v; want a ChangedError for fn/h.txt", err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "fn/h.txt"), []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(p.dir, "fn/h.txt"), time.Time{}, before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, c.FS()); got != want {
		t.Errorf("the file as it was:\n%s\nwant:\n%s", got, want)
	}
}

// growing is a writer that changes a file as soon as it is written to.
type growing struct{ path string }

func (g *growing) Write(b []byte) (int, error) {
	f, err := os.OpenFile(g.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	_, err = f.WriteString("more")
	return len(b), err
}

func TestWriteTarFailsWhenAFileChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	p.write(t, "fn/big", strings.Repeat("x", 4<<20))
	err := p.mustPrepare(t).WriteTar(t.Context(), &growing{filepath.Join(p.dir, "fn/big")})
	if changed := (*ChangedError)(nil); !errors.As(err, &changed) || changed.Path != "fn/big" {
		t.Errorf("error = %v; want a ChangedError for fn/big", err)
	}
}

func TestCancelledContextEndsReading(t *testing.T) {
	t.Parallel()
	c := newProject(t, basics()).mustPrepare(t)
	why := errors.New("interrupt")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := c.WriteTar(ctx, io.Discard); !errors.Is(err, why) {
		t.Errorf("tar: %v", err)
	}
	if err := c.WriteDir(ctx, "build/fn"); !errors.Is(err, why) {
		t.Errorf("dir: %v", err)
	}
	if _, err := c.Fingerprint(ctx); !errors.Is(err, why) {
		t.Errorf("fingerprint: %v", err)
	}
}

func TestLinksOutOfTheProjectAreCalledThat(t *testing.T) {
	t.Parallel()
	files := basics()
	files["link:out"] = t.TempDir()
	p := newProject(t, files)
	for what, source := range map[string]source{"handler": {handler: "./out"}, "extra path": {handler: "./fn"}} {
		source.function, source.language, source.template = "fn", "tpl", p.template(t, "tpl").FS()
		b := &ContextBuilder{Project: p.root}
		if what != "handler" {
			b.Extras = []string{"out"}
		}
		if _, err := b.prepare(t.Context(), source); !errors.Is(err, errOutside) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error = %v", what, err)
		}
	}
}
