package templates

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/internal/git"
)

// repo makes a git repository; each further map is a commit on top. It returns
// its path and the commits.
func repo(t testing.TB, commits ...map[string]string) (dir string, ids []string) {
	t.Helper()
	dir = t.TempDir()
	gitIn(t, dir, "init", "-q", "-b", "master")
	for i, files := range commits {
		write(t, dir, files)
		gitIn(t, dir, "add", "-A", "-f")
		gitIn(t, dir, "commit", "-q", "--allow-empty", "-m", "x")
		gitIn(t, dir, "tag", "v"+string(rune('1'+i)))
		ids = append(ids, strings.TrimSpace(gitIn(t, dir, "rev-parse", "HEAD")))
	}
	return dir, ids
}

func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	g := git.Git{Dir: dir, Protocols: []string{"file"}, Config: []string{"user.name=t", "user.email=t@example.com", "commit.gpgSign=false", "tag.gpgSign=false"}}
	out, err := g.Output(t.Context(), args...)
	if err != nil {
		t.Fatalf("git %q: %v", args, err)
	}
	return string(out)
}

func fetcher(t testing.TB) *Fetcher {
	t.Helper()
	return &Fetcher{Cache: OpenCache(filepath.Join(t.TempDir(), "cache"))}
}

func source(t testing.TB, s string) Source {
	t.Helper()
	src, err := ParseSource(s, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestResolveAndFetch(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 8<<10) // beyond smallBlob
	dir, ids := repo(t,
		map[string]string{"template/aa/template.yml": "fprocess: one\n", "template/aa/run.sh!": "#!/bin/sh\n", "template/bb/template.yml": "", "README": ""},
		map[string]string{"template/aa/template.yml": "fprocess: two\n", "template/aa/big": big, "template/aa/l@": "run.sh"},
		map[string]string{"other": "x"})
	// Two ways to the same bytes: in place, and fetched through a transport.
	bare := filepath.Join(t.TempDir(), "bare.git")
	gitIn(t, dir, "config", "uploadpack.allowFilter", "true")
	gitIn(t, dir, "clone", "-q", "--bare", "--", dir, bare)
	remote := Source{Repo: "file://" + dir}
	for _, base := range []Source{{Repo: dir, Local: dir}, {Repo: bare, Local: bare}, remote} {
		f := fetcher(t)
		for _, tt := range []struct{ ref, commit string }{
			{"", ids[2]}, {"v1", ids[0]}, {"master", ids[2]}, {"sha-" + ids[1][:9], ids[1]}, {"sha-" + ids[1], ids[1]},
		} {
			src := base
			src.Ref = tt.ref
			got, err := f.Resolve(t.Context(), src)
			if err != nil || got != tt.commit {
				t.Errorf("%s: %q, %v; want %s", src, got, err, tt.commit)
				continue
			}
			has, err := f.Fetch(t.Context(), src, got, []string{"aa"})
			if err != nil || has["aa"] == "" || len(has) != 2 {
				t.Errorf("%s: %v, %v", src, has, err)
				continue
			}
			if d, err := digestDir(f.Cache.tree(has["aa"])); err != nil || d != has["aa"] {
				t.Errorf("%s: content has digest %s, %v; want %s", src, d, err, has["aa"])
			}
			if info, err := os.Stat(filepath.Join(f.Cache.tree(has["aa"]), "run.sh")); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("%s: run.sh: %v, %v", src, info, err)
			}
		}
		src := base
		f.Offline = true
		if got, err := f.Resolve(t.Context(), src); err != nil || got != ids[2] {
			t.Errorf("%s offline: %q, %v", src, got, err)
		}
		if _, err := f.Fetch(t.Context(), src, ids[2], []string{"aa"}); err != nil {
			t.Errorf("%s offline: %v", src, err)
		}
		var offline *OfflineError
		if _, err := f.Fetch(t.Context(), src, ids[2], []string{"bb"}); !errors.As(err, &offline) {
			t.Errorf("%s offline: %v, want an OfflineError for what was never fetched", src, err)
		}
	}
}

func TestFetchFailures(t *testing.T) {
	t.Parallel()
	dir, _ := repo(t, map[string]string{"template/aa/template.yml": "", "template/bb/template.yml": ""})
	empty, _ := repo(t, map[string]string{"README": ""})
	for _, local := range []bool{true, false} {
		at := func(dir, ref string) Source {
			if local {
				return Source{Repo: dir, Local: dir, Ref: ref}
			}
			return Source{Repo: "file://" + dir, Ref: ref}
		}
		f := fetcher(t)
		var ref *RefError
		for _, name := range []string{"v9", "sha-1234567"} {
			if _, err := f.Resolve(t.Context(), at(dir, name)); !errors.As(err, &ref) {
				t.Errorf("ref %s: %v, want a RefError", name, err)
			}
		}
		var fetch *FetchError
		if _, err := f.Resolve(t.Context(), at(filepath.Join(dir, "template"), "")); !errors.As(err, &fetch) {
			t.Errorf("a folder that is no repository: %v", err)
		}
		commit, err := f.Resolve(t.Context(), at(dir, ""))
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Fetch(t.Context(), at(dir, ""), commit, []string{"zz"})
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "aa, bb") {
			t.Errorf("template missing: %v, want those that there are", err)
		}
		commit, err = f.Resolve(t.Context(), at(empty, ""))
		if err != nil {
			t.Fatal(err)
		}
		var none *NoTemplatesError
		if _, err := f.Fetch(t.Context(), at(empty, ""), commit, nil); !errors.As(err, &none) {
			t.Errorf("no templates: %v", err)
		}
	}
}
