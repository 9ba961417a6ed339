package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
)

// project is a folder with files, made for one test.
type project struct {
	dir  string
	root *os.Root
}

// newProject writes files, by path; a path that ends in "*" is executable, one
// that begins with "link:" is a link whose target is the content.
func newProject(t testing.TB, files map[string]string) *project {
	t.Helper()
	p := &project{dir: t.TempDir()}
	for name, content := range files {
		p.write(t, name, content)
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	p.root = root
	return p
}

func (p *project) write(t testing.TB, name, content string) {
	t.Helper()
	mode := os.FileMode(0o644)
	if name[len(name)-1] == '*' {
		name, mode = name[:len(name)-1], 0o755
	}
	link := len(name) > 5 && name[:5] == "link:"
	if link {
		name = name[5:]
	}
	path := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	if link {
		err = os.Symlink(content, path)
	} else {
		err = os.WriteFile(path, []byte(content), mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *project) read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// template opens ./template/lang.
func (p *project) template(t testing.TB, lang string) *os.Root {
	t.Helper()
	root, err := p.root.OpenRoot(filepath.Join("template", lang))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// prepare prepares function fn with handler ./fn and template tpl.
func (p *project) prepare(t testing.TB, extras ...string) (*Context, error) {
	t.Helper()
	return p.prepareWith(t, &ContextBuilder{Project: p.root, Extras: extras})
}

func (p *project) prepareWith(t testing.TB, b *ContextBuilder) (*Context, error) {
	t.Helper()
	return b.prepare(t.Context(), source{
		function: "fn", language: "tpl", handler: "./fn",
		template: p.template(t, "tpl").FS(), spec: schema.Template{Language: "tpl"},
	})
}

func (p *project) mustPrepare(t testing.TB, extras ...string) *Context {
	t.Helper()
	c, err := p.prepare(t, extras...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
