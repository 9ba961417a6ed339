package templates

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// project makes a folder of the files given; a name that ends in "@" is a link
// to its content, one that ends in "!" is executable.
func project(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimRight(name, "@!")))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case strings.HasSuffix(name, "@"):
			err = os.Symlink(text, path)
		case strings.HasSuffix(name, "!"):
			err = os.WriteFile(path, []byte(text), 0o755)
		default:
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolderOpen(t *testing.T) {
	t.Parallel()
	root := project(t, map[string]string{
		"template/aa/template.yml":             "fprocess: cat\nhandler_folder: src/app/\n",
		"template/aa/src/app/h.txt":            "x",
		"template/aa/leak@":                    "../../secret",
		"template/aa@feature/x/template.yml":   "",
		"template/broken/template.yml":         "a: [",
		"template/escapes/template.yml":        "handler_folder: ../..",
		"template/bare/Dockerfile":             "",
		"template/zz@v1/template.yml":          "",
		"template/.hidden/template.yml":        "",
		"template/notes.txt":                   "",
		"secret":                               "s",
		"elsewhere/template.yml":               "",
		"template/outside@":                    "/etc",
		"template/inside@":                     "../elsewhere",
		"template/local/template.yml":          "local: {version: 1, kind: go, entry: .}\n",
		"template/aa@feature/x/function/f.txt": "",
	})
	f := OpenFolder(root)
	defer f.Close()

	aa, err := f.Open("aa")
	if err != nil {
		t.Fatal(err)
	}
	if aa.HandlerFolder() != "src/app" || aa.Config.FProcess != "cat" || aa.Dir != "./template/aa" {
		t.Errorf("got %+v", aa)
	}
	if _, err := fs.ReadFile(aa.FS, "leak"); err == nil {
		t.Error("a link led out of the template, though only into the project")
	}
	if pinned, err := f.Open("aa@feature/x"); err != nil || pinned.HandlerFolder() != "function" {
		t.Errorf("aa@feature/x: %+v, %v", pinned, err)
	}
	if local, err := f.Open("local"); err != nil || local.Trusted {
		t.Errorf("a local block that nobody trusts: trusted %t, %v", local.Trusted, err)
	}
	var cfg *ConfigError
	for _, name := range []string{"broken", "escapes", "bare"} {
		if _, err := f.Open(name); !errors.As(err, &cfg) {
			t.Errorf("%s: got %v, want a ConfigError", name, err)
		}
	}
	if _, err := f.Open("gone"); !errors.Is(err, ErrNotFound) {
		t.Errorf("gone: %v", err)
	}
	if _, err := f.Open("outside"); err == nil {
		t.Error("a link out of the project passed for a template")
	}
	for _, name := range []string{"../elsewhere", "aa/../bb", "", ".hidden", "a@/../../evil", "a@../x", "/etc", "con", "a:b"} {
		if _, err := f.Open(name); !errors.Is(err, ErrInvalidName) {
			t.Errorf("%q: got %v, want ErrInvalidName", name, err)
		}
	}
	names, err := f.Names()
	want := []string{"aa", "aa@feature/x", "broken", "escapes", "local", "zz@v1"}
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("Names() = %q, %v; want %q", names, err, want)
	}
}

func TestNamesWithoutFolder(t *testing.T) {
	t.Parallel()
	if _, err := OpenFolder(project(t, nil)).Names(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestTrustIsForOneContent(t *testing.T) {
	t.Parallel()
	root := project(t, map[string]string{"template/aa/template.yml": "local: {version: 1, kind: go, entry: .}\n"})
	trust := OpenTrust(filepath.Join(t.TempDir(), "trusted"))
	open := func() Template {
		f := OpenFolder(root).WithTrust(trust)
		t.Cleanup(func() { _ = f.Close() })
		tpl, err := f.Open("aa")
		if err != nil {
			t.Fatal(err)
		}
		return tpl
	}
	tpl := open()
	d, err := tpl.Digest()
	if err != nil || tpl.Trusted {
		t.Fatalf("trusted %t, %v", tpl.Trusted, err)
	}
	if err := trust.Add(TrustRecord{Template: "aa", Digest: d}); err != nil {
		t.Fatal(err)
	}
	if !open().Trusted {
		t.Error("not trusted after it was")
	}
	if err := root.WriteFile("template/aa/meta.json", []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !open().Trusted {
		t.Error("meta.json counts as content")
	}
	if err := root.Chmod("template/aa/template.yml", 0o755); err != nil {
		t.Fatal(err)
	}
	if open().Trusted {
		t.Error("still trusted after its content changed")
	}
	if err := trust.Add(TrustRecord{Digest: "sha256:../../x"}); err == nil {
		t.Error("a digest with a path was taken")
	}
}
