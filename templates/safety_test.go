package templates

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/internal/git"
)

func TestCheckTreeRefuses(t *testing.T) {
	t.Parallel()
	many := make([]treeFile, maxTreeFiles+1)
	for i := range many {
		many[i] = treeFile{path: fmt.Sprintf("f%d", i), mode: modeFile}
	}
	file := func(paths ...string) []treeFile {
		var files []treeFile
		for _, p := range paths {
			files = append(files, treeFile{path: p, mode: modeFile})
		}
		return files
	}
	for name, files := range map[string][]treeFile{
		"parent":           file("a/../../x"),
		"absolute":         file("/etc/passwd"),
		"empty element":    file("a//b"),
		"git":              file("a/.git/config"),
		"git, other case":  file(".GIT/config"),
		"git, short":       file("git~1/config"),
		"device of DOS":    file("a/con.txt"),
		"port of DOS":      file("COM1"),
		"trailing dot":     file("a./b"),
		"trailing blank":   file("a "),
		"stream":           file("a:b"),
		"backslash":        file(`a\b`),
		"control":          file("a\nb"),
		"invisible":        file("a\u202eb"),
		"not UTF-8":        file("a\xff"),
		"same but case":    file("Readme", "README"),
		"folders by case":  file("Dir/a", "dir/b"),
		"file and folder":  file("a", "A/b"),
		"twice":            file("a", "a"),
		"unknown mode":     {{path: "a", mode: "140000"}},
		"too many":         many,
		"file under file":  file("a", "a/b"),
		"submodule inside": {{path: "a", mode: modeSubmodule}},
	} {
		var unsafe *UnsafeError
		if err := checkTree("t", files); !errors.As(err, &unsafe) || unsafe.Path == "" {
			t.Errorf("%s: %v, want an UnsafeError that names the path", name, err)
		}
	}
	if err := checkTree("t", file("a/b", "a/c", "README.md", ".gitignore", "function/.hidden")); err != nil {
		t.Errorf("ordinary files: %v", err)
	}
}

func TestCheckLinks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		links map[string]string
		ok    bool
	}{
		"inner":             {map[string]string{"a/l": "../b/c"}, true},
		"to the top":        {map[string]string{"a/l": ".."}, true},
		"through inner":     {map[string]string{"a/l": "../d", "x": "a/l/../y"}, true},
		"dangling":          {map[string]string{"l": "gone"}, true},
		"absolute":          {map[string]string{"l": "/etc/passwd"}, false},
		"parent":            {map[string]string{"l": "../x"}, false},
		"deep parent":       {map[string]string{"a/b/l": "../../../x"}, false},
		"up and in again":   {map[string]string{"l": "../t/x"}, false},
		"through another":   {map[string]string{"d": "a/b", "a/b/up": "../..", "l": "d/up/../x"}, false},
		"circle":            {map[string]string{"a": "b", "b": "a"}, false},
		"drive":             {map[string]string{"l": `C:\x`}, false},
		"backslash":         {map[string]string{"l": `..\x`}, false},
		"empty":             {map[string]string{"l": ""}, false},
		"parent of a link":  {map[string]string{"a/b/d": "../..", "l": "a/b/d/.."}, false},
		"link as a folder":  {map[string]string{"d": "a", "l": "d/../../x"}, false},
		"stays, after dots": {map[string]string{"a/l": "./.././b"}, true},
	} {
		if err := checkLinks("t", tt.links); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want ok %t", name, err, tt.ok)
		}
	}
}

func TestTreeWriterBounds(t *testing.T) {
	t.Parallel()
	root := project(t, nil)
	w, err := newTreeWriter(root, "t")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	var unsafe *UnsafeError
	if err := w.add(treeFile{path: "big", mode: modeFile}, maxFileSize+1, strings.NewReader("")); !errors.As(err, &unsafe) {
		t.Errorf("a file that is too large: %v", err)
	}
	w.size = maxTreeSize
	if err := w.add(treeFile{path: "one", mode: modeFile}, 1, strings.NewReader("x")); !errors.As(err, &unsafe) {
		t.Errorf("a tree that is too large: %v", err)
	}
}

// hostile makes a repository whose template/ holds the entries given, in the
// form of git mktree, which checks nothing.
func hostile(t *testing.T, entries func(blob string) string) string {
	t.Helper()
	dir := t.TempDir()
	gitIn(t, dir, "init", "-q", "-b", "master")
	write(t, dir, map[string]string{"f": "../../../../../../etc/passwd"})
	blob := strings.TrimSpace(gitIn(t, dir, "hash-object", "-w", "f"))
	mktree := func(text string) string {
		var out strings.Builder
		if err := (git.Git{Dir: dir}).Run(t.Context(), strings.NewReader(text), &out, "mktree", "--missing"); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out.String())
	}
	inner := mktree(entries(blob))
	top := mktree("040000 tree " + mktree("040000 tree "+inner+"\taa\n") + "\ttemplate\n")
	commit := strings.TrimSpace(gitIn(t, dir, "commit-tree", "-m", "x", top))
	gitIn(t, dir, "update-ref", "refs/heads/master", commit)
	return dir
}

func TestHostileRepositories(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string]func(blob string) string{
		"link out":  func(b string) string { return "120000 blob " + b + "\tleak\n" },
		"parent":    func(b string) string { return "100644 blob " + b + "\t..\n" },
		"dot git":   func(b string) string { return "100755 blob " + b + "\t.git\n" },
		"case":      func(b string) string { return "100644 blob " + b + "\tA\n100644 blob " + b + "\ta\n" },
		"duplicate": func(b string) string { return "120000 blob " + b + "\ta\n100644 blob " + b + "\ta\n" },
		"reserved":  func(b string) string { return "100644 blob " + b + "\tnul.txt\n" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			_, err := pull(t.Context(), p, source(t, hostile(t, entries)), nil, PullOptions{})
			var unsafe *UnsafeError
			if !errors.As(err, &unsafe) || unsafe.Path == "" || !strings.Contains(err.Error(), unsafe.Path) {
				t.Fatalf("%v, want an UnsafeError that names the path", err)
			}
			if left, _ := os.ReadDir(p.Dir); len(left) != 0 {
				t.Errorf("left in the project: %v", left)
			}
			for _, part := range []string{cacheTrees, cacheTemp} {
				if left, _ := os.ReadDir(filepath.Join(p.Fetcher.Cache.Dir(), part)); len(left) != 0 {
					t.Errorf("left in the cache's %s: %v", part, left)
				}
			}
		})
	}
}

func TestTemplatesThatDifferByCaseAreRefused(t *testing.T) {
	t.Parallel()
	var unsafe *UnsafeError
	if err := checkNames([]string{"bb", "aa", "BB"}); !errors.As(err, &unsafe) || unsafe.Template != "BB" {
		t.Errorf("%v, want an UnsafeError", err)
	}
}

func TestNothingOfATemplateRuns(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "ran")
	dir, _ := repo(t, map[string]string{
		"template/aa/template.yml":   "a: 1\n",
		"template/aa/x.txt":          "$Id$ $Format:%H$\n",
		"template/aa/.gitattributes": "*.txt filter=evil export-subst ident text\n",
		".gitattributes":             "* filter=evil export-ignore\n",
		".gitmodules":                "[submodule \"s\"]\n\tpath = template/aa/s\n\turl = ext::touch " + mark + "\n",
	})
	run := "touch " + mark
	for _, key := range []string{"filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "core.fsmonitor", "core.sshCommand", "core.askPass", "uploadpack.packObjectsHook"} {
		gitIn(t, dir, "config", key, run)
	}
	hooks := map[string]string{}
	for _, h := range []string{"post-checkout", "reference-transaction", "post-index-change", "pre-receive", "post-update"} {
		hooks[".git/hooks/"+h+"!"] = "#!/bin/sh\n" + run + "\n"
	}
	write(t, dir, hooks)
	for _, src := range []Source{{Repo: dir, Local: dir}, {Repo: "file://" + dir}} {
		p := newProject(t)
		if _, err := pull(t.Context(), p, src, nil, PullOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, p, "template/aa/x.txt"); got != "$Id$ $Format:%H$\n" {
			t.Errorf("%s: %q: the bytes were changed", src, got)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("%s: something of the repository ran", src)
		}
	}
}

func TestRedirectsToOtherSchemesAreRefused(t *testing.T) {
	t.Parallel()
	dir, _ := repo(t, map[string]string{"template/aa/template.yml": ""})
	for _, to := range []string{"file://" + dir, "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to+"/info/refs?service=git-upload-pack", http.StatusFound)
		}))
		var failed *FetchError
		if _, err := fetcher(t).Resolve(t.Context(), source(t, server.URL+"/x")); !errors.As(err, &failed) {
			t.Errorf("redirected to %s: %v", to, err)
		}
		server.Close()
	}
}

func TestParseSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"r/x": "", "r#v1/x": "", "deep/x/y": "", "deep/own/.git/HEAD": ""})
	for s, want := range map[string]Source{
		"https://h/a/b":                  {Repo: "https://h/a/b"},
		"https://h/a/b#v1.2":             {Repo: "https://h/a/b", Ref: "v1.2"},
		"https://h/a/b//sub/dir#x/y":     {Repo: "https://h/a/b", Path: "sub/dir", Ref: "x/y"},
		"ssh://git@h:22/a/b":             {Repo: "ssh://git@h:22/a/b"},
		"git@h:a/b.git#sha-1234567":      {Repo: "git@h:a/b.git", Ref: "sha-1234567"},
		"git://h/a":                      {Repo: "git://h/a"},
		"./r":                            {Repo: "./r", Local: filepath.Join(dir, "r")},
		"r#v1":                           {Repo: "r#v1", Local: filepath.Join(dir, "r#v1")},
		"r#v2":                           {Repo: "r", Ref: "v2", Local: filepath.Join(dir, "r")},
		"deep//some/where#v2":            {Repo: "deep", Path: "some/where", Ref: "v2", Local: filepath.Join(dir, "deep")},
		"deep//x":                        {Repo: "deep", Path: "x", Local: filepath.Join(dir, "deep")},
		"deep//own":                      {Repo: "deep//own", Local: filepath.Join(dir, "deep", "own")},
		filepath.Join(dir, "r"):          {Repo: filepath.Join(dir, "r"), Local: filepath.Join(dir, "r")},
		"https://u:secret@h/a#feature/x": {Repo: "https://u:secret@h/a", Ref: "feature/x"},
	} {
		got, err := ParseSource(s, dir)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "gone", "file:///tmp", "file://" + dir, "ext::sh -c id", "-uhost", "--upload-pack=x", "user@host:path", "ftp://h/a",
		"https://", "https:///a", "https://-oProxy/a", "git@-o:a", "git@h:-x", "git@h:", "https://h", "https://h/a\nb",
		"https://h/a#", "https://h/a#a..b", "https://h/a#-x", "https://h/a#sha-zzzz", "https://h/a#x.lock", "https://h/a#x/../y",
		"https://h/a//../x", "transport::https://h/a",
	} {
		if got, err := ParseSource(s, dir); err == nil {
			t.Errorf("%q was taken: %+v", s, got)
		}
	}
	src, err := ParseSource("https://u:secret@h/a//p#v1", dir)
	if err != nil || strings.Contains(src.String()+src.Place()+src.key(), "secret") {
		t.Errorf("the password shows: %s, %v", src, err)
	}
	if got := strings.Join(protocols("https://h/a"), ","); got != "https" {
		t.Errorf("https may be redirected to %s", got)
	}
}
