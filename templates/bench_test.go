package templates

import (
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/git"
	"github.com/faas-cli/faas-cli/schema"
)

// manyTemplates are files of 60 templates of 40 files each.
func manyTemplates() (names []string, files map[string]string) {
	files = map[string]string{}
	for i := range 60 {
		name := fmt.Sprintf("tpl-%02d", i)
		names = append(names, name)
		for file, text := range good() {
			files["template/"+name+"/"+file] = text
		}
		for j := range 36 {
			files[fmt.Sprintf("template/%s/lib/file-%02d.txt", name, j)] = strings.Repeat(name+"\n", 64)
		}
	}
	return names, files
}

// BenchmarkEnsureSatisfied is what new, build and up do about templates that
// are all at hand and pinned.
func BenchmarkEnsureSatisfied(b *testing.B) {
	names, files := manyTemplates()
	dir, _ := repo(b, files)
	p := newProject(b)
	if _, err := pull(b.Context(), p, source(b, dir), nil, PullOptions{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		again := projectIn(b, p.Dir, p.Fetcher.Cache.Dir())
		if err := again.Ensure(b.Context(), names); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLint checks 60 templates.
func BenchmarkLint(b *testing.B) {
	names, files := manyTemplates()
	dir := b.TempDir()
	write(b, dir, files)
	for b.Loop() {
		for _, name := range names {
			if found := Lint(name, os.DirFS(filepath.Join(dir, Dir, name))); len(found) > 0 {
				b.Fatal(found)
			}
		}
	}
}

// BenchmarkMissing installs the missing templates of several repositories on a
// server that takes 100 ms to answer, whatever it is asked. 20 should take no
// more than 4 times as long as one.
func BenchmarkMissing(b *testing.B) {
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var names []string
			var declared []schema.TemplateSource
			root := b.TempDir()
			url := gitServer(b, root, 100*time.Millisecond)
			for i := range n {
				name := fmt.Sprintf("tpl-%02d", i)
				dir, _ := repo(b, map[string]string{
					"template/" + name + "/template.yml": goodConfig, "template/" + name + "/function/h.txt": name, "template/other/template.yml": "",
				})
				gitIn(b, dir, "clone", "-q", "--bare", "--", dir, filepath.Join(root, name))
				names = append(names, name)
				declared = append(declared, schema.TemplateSource{Name: name, Source: url + "/" + name})
			}
			for b.Loop() {
				p := newProject(b)
				p.Declared = declared
				if err := p.Ensure(b.Context(), names); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// gitServer serves the bare repositories below root over HTTP and answers each
// request only after delay.
func gitServer(tb testing.TB, root string, delay time.Duration) string {
	tb.Helper()
	exec, err := git.Git{}.Output(tb.Context(), "--exec-path")
	if err != nil {
		tb.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(exec)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
		backend.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}
