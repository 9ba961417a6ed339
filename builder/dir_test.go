package builder

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

func (p *project) stat(t *testing.T, name string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func (p *project) shrinkWrap(t *testing.T) {
	t.Helper()
	if err := p.mustPrepare(t).WriteDir(t.Context(), "build/fn"); err != nil {
		t.Fatal(err)
	}
}

func TestWriteDirTouchesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	p.write(t, "build/other/keep.txt", "k")
	p.write(t, "build/fn/function/old.txt", "o")
	p.write(t, "build/fn/function/sub", "a file where a folder goes")
	p.shrinkWrap(t)
	kept, replaced := p.stat(t, "build/fn/Dockerfile"), p.stat(t, "build/fn/function/h.txt")

	p.write(t, "fn/h.txt", "MINE\n") // the same size
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(p.dir, "fn/h.txt"), old, replaced.ModTime()); err != nil { // and the same time
		t.Fatal(err)
	}
	p.shrinkWrap(t)
	if got := p.read(t, "build/fn/function/h.txt"); got != "MINE\n" {
		t.Errorf("changed file holds %q", got)
	}
	if os.SameFile(replaced, p.stat(t, "build/fn/function/h.txt")) {
		t.Error("the changed file was overwritten in place")
	}
	if now := p.stat(t, "build/fn/Dockerfile"); !os.SameFile(kept, now) || now.ModTime() != kept.ModTime() {
		t.Error("an unchanged file was touched")
	}
	if _, err := os.Stat(filepath.Join(p.dir, "build/fn/function/old.txt")); err == nil {
		t.Error("a stale file stayed")
	}
	if p.read(t, "build/other/keep.txt") != "k" {
		t.Error("a folder of another function was touched")
	}
	if os.SameFile(p.stat(t, "fn/h.txt"), p.stat(t, "build/fn/function/h.txt")) {
		t.Error("the copy is a hard link")
	}
}

func TestWriteDirCorrectsWhatWasEditedThere(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	p.shrinkWrap(t)
	p.write(t, "build/fn/function/h.txt", "EDIT\n")
	if err := os.Chmod(filepath.Join(p.dir, "build/fn/Dockerfile"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.shrinkWrap(t)
	if got := p.read(t, "build/fn/function/h.txt"); got != "mine\n" {
		t.Errorf("the file holds %q", got)
	}
	if mode := p.stat(t, "build/fn/Dockerfile").Mode().Perm(); mode != 0o644 {
		t.Errorf("mode = %v; want 0644", mode)
	}
}

func TestWriteDirKeepsReadOnlyFoldersAndFillsThemAgain(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	if err := os.Chmod(filepath.Join(p.dir, "fn/sub"), 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(p.dir, "fn/sub"), 0o755) })
	for range 2 {
		p.shrinkWrap(t)
		if mode := p.stat(t, "build/fn/function/sub").Mode().Perm(); mode != 0o555 {
			t.Errorf("mode = %v; want 0555", mode)
		}
	}
	os.Chmod(filepath.Join(p.dir, "build/fn/function/sub"), 0o755)
}

func TestWriteDirRefusesToLeaveTheProject(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	victim := t.TempDir()
	p.write(t, "link:build", victim)
	c := p.mustPrepare(t)
	for _, dir := range []string{"build/fn", "../x", ".", filepath.Join(victim, "x")} {
		if err := c.WriteDir(t.Context(), dir); err == nil {
			t.Errorf("wrote to %q", dir)
		}
	}
	if entries, _ := os.ReadDir(victim); len(entries) > 0 {
		t.Errorf("files outside of the project: %v", entries)
	}
}

func TestWriteDirDoesNotFollowALinkWithinTheProject(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	p.write(t, "link:build", ".") // build/fn would be the handler itself
	if err := p.mustPrepare(t).WriteDir(t.Context(), "build/fn"); err == nil {
		t.Error("the link was followed")
	}
	if got := p.read(t, "fn/h.txt"); got != "mine\n" {
		t.Errorf("the handler was overwritten: %q", got)
	}
}

func TestWriteDirReplacesALinkInTheWay(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	p.write(t, "keep/precious.txt", "p")
	p.write(t, "link:build/fn", "../keep")
	p.shrinkWrap(t)
	if p.read(t, "keep/precious.txt") != "p" || p.read(t, "build/fn/Dockerfile") != "FROM tpl\n" {
		t.Error("the link was followed")
	}
}

func TestWriteDirWithOpenModeForCI(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	b := ContextBuilder{Project: p.root, DirMode: 0o777}
	c, err := b.prepare(t.Context(), source{function: "fn", language: "tpl", handler: "fn", template: p.template(t, "tpl").FS()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WriteDir(t.Context(), "build/fn"); err != nil {
		t.Fatal(err)
	}
	mask := p.stat(t, "fn/sub").Mode().Perm() // made with 0755; the umask of tests is not ours to set
	for _, name := range []string{"build/fn", "build/fn/function"} {
		if mode := p.stat(t, name).Mode().Perm(); mode&mask != mask {
			t.Errorf("%s: mode %v", name, mode)
		}
	}
}

func TestWriteDirKeepsHolesAndCopiesWholeLargeFiles(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	path := filepath.Join(p.dir, "fn/huge.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 5 << 30
	if err := f.Truncate(size); err != nil {
		t.Skip(err)
	}
	for _, at := range []int64{0, 1 << 30, size - 5} {
		if _, err := f.WriteAt([]byte("data\n"), at); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	p.shrinkWrap(t)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("copying a sparse file took %v", took)
	}
	out, err := os.Open(filepath.Join(p.dir, "build/fn/function/huge.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, at := range []int64{0, 1 << 30, size - 5} {
		b := make([]byte, 5)
		if _, err := out.ReadAt(b, at); err != nil || string(b) != "data\n" {
			t.Errorf("at %d: %q, %v", at, b, err)
		}
	}
	whole := strings.Repeat("0123456789abcdef", 1<<16)
	p.write(t, "fn/huge.bin", whole)
	p.shrinkWrap(t)
	if p.read(t, "build/fn/function/huge.bin") != whole {
		t.Error("a large file was not copied whole")
	}
}

func TestWriteDirKeepsLinksThatLoop(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	for name, target := range map[string]string{"a": "b", "b": "a", "self": "self", "here": "."} {
		if err := os.Symlink(target, filepath.Join(p.dir, "fn", name)); err != nil {
			t.Fatal(err)
		}
	}
	p.shrinkWrap(t)
	for name, target := range map[string]string{"a": "b", "b": "a", "self": "self", "here": "."} {
		if got, err := os.Readlink(filepath.Join(p.dir, "build/fn/function", name)); err != nil || got != target {
			t.Errorf("%s leads to %q, %v; want %q", name, got, err, target)
		}
	}
}

func TestWriteDirGivesAllFunctionsTheSameTemplate(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"fn/h.txt": "h", "template/tpl/template.yml": "language: tpl\n", "template/tpl/run.sh*": "first"})
	from := source{
		function: "fn", language: "tpl", handler: "./fn", templateDir: "template/tpl",
		template: p.template(t, "tpl").FS(), spec: schema.Template{Language: "tpl"},
	}
	contexts := &ContextBuilder{Project: p.root}
	write := func(dir string) fs.FileInfo {
		t.Helper()
		c, err := contexts.prepare(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.WriteDir(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		return p.stat(t, dir+"/run.sh")
	}
	one := write("build/one")
	p.write(t, "template/tpl/run.sh*", "second, in the middle of a build")
	other := write("build/other")
	if got := p.read(t, "build/other/run.sh"); got != "first" {
		t.Errorf("the template of the second function has %q", got)
	}
	if one.Mode() != 0o755 || other.Mode() != one.Mode() || !other.ModTime().Equal(one.ModTime()) {
		t.Errorf("modes and times: %v %v, %v %v", one.Mode(), one.ModTime(), other.Mode(), other.ModTime())
	}
	contexts = &ContextBuilder{Project: p.root} // the next command
	write("build/other")
	if got := p.read(t, "build/other/run.sh"); got != "second, in the middle of a build" {
		t.Errorf("the next build has %q", got)
	}
}
