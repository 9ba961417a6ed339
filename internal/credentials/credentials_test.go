package credentials

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func at(t *testing.T, text string) Store {
	t.Helper()
	s := Store{Dir: t.TempDir()}
	if text != "" {
		if err := os.WriteFile(s.Path(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func content(t *testing.T, s Store) string {
	t.Helper()
	text, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSaveKeepsEverythingElse: other entries, unknown keys and comments (KB-63).
func TestSaveKeepsEverythingElse(t *testing.T) {
	t.Parallel()
	s := at(t, `# mine
theme: dark
auths:
  - gateway: http://a:1
    auth: oauth2
    token: t1
    options:
      - name: client_id
        value: faas
  # the second
  - gateway: http://b:2
    auth: oauth2
    token: old # rotate in May
    note: keep
    options:
      - name: x
        value: "y"
`)
	if err := s.Save(t.Context(), BasicEntry("http://b:2", "admin", "pa:ss")); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), Entry{Gateway: "http://c:3", Auth: OAuth2, Token: "t3"}); err != nil {
		t.Fatal(err)
	}
	want := `# mine
theme: dark
auths:
  - gateway: http://a:1
    auth: oauth2
    token: t1
    options:
      - name: client_id
        value: faas
  # the second
  - gateway: http://b:2
    auth: basic
    token: YWRtaW46cGE6c3M= # rotate in May
    note: keep
  - gateway: http://c:3
    auth: oauth2
    token: t3
`
	if got := content(t, s); got != want {
		t.Errorf("config.yml is\n%s\nwant\n%s", got, want)
	}
	if info, _ := os.Stat(s.Path()); info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v; want 0600 although it was wider", info.Mode())
	}
	e, err := s.Lookup("http://b:2")
	if err != nil {
		t.Fatal(err)
	}
	if user, password, err := e.UserPassword(); user != "admin" || password != "pa:ss" || err != nil {
		t.Errorf("UserPassword = %q, %q, %v", user, password, err)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	s := at(t, "auths:\n  - gateway: http://a:1\n    auth: basic\n    token: YTpi\n")
	if err := s.Remove(t.Context(), "http://b:2"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("Remove of another gateway: %v; want ErrNoEntry", err)
	}
	if err := s.Remove(t.Context(), "http://a:1"); err != nil {
		t.Fatal(err)
	}
	if got := content(t, s); got != "auths: []\n" {
		t.Errorf("config.yml is %q; want an empty list", got)
	}
	if err := at(t, "").Remove(t.Context(), "http://a:1"); !errors.Is(err, ErrNoFile) {
		t.Errorf("Remove without a file: %v; want ErrNoFile", err)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	s := at(t, `auths:
  - gateway: http://gw/path
    auth: basic
    token: bG93ZXI6eA==
  - gateway: http://gw:1/
    auth: oauth2
    token: first
  - gateway: http://gw:1
    auth: oauth2
    token: second
  - gateway: http://gw:2
    auth: oauth2
    token: |
      block
`)
	for gateway, token := range map[string]string{
		"http://gw/Path": "bG93ZXI6eA==", // saved by a client that lower-cased paths (KB-4)
		"http://gw:1":    "first",
		"http://gw:2":    "block",
	} {
		if e, err := s.Lookup(gateway); err != nil || e.Token != token {
			t.Errorf("Lookup(%s) = %+v, %v; want token %s", gateway, e, err, token)
		}
	}
	if _, err := s.Lookup("http://else"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("Lookup of an unknown gateway: %v; want ErrNoEntry", err)
	}
	if _, err := at(t, "").Lookup("http://gw"); !errors.Is(err, ErrNoFile) {
		t.Errorf("Lookup without a file: %v; want ErrNoFile", err)
	}
	for _, broken := range []string{"auths: [\n", "- a\n", "auths: {}\n"} {
		s := at(t, broken)
		if _, err := s.Lookup("http://gw"); err == nil {
			t.Errorf("Lookup in %q succeeded", broken)
		}
		if err := s.Save(t.Context(), Entry{Gateway: "http://gw"}); err == nil || !strings.Contains(err.Error(), s.Path()) || content(t, s) != broken {
			t.Errorf("Save into %q = %v, file now %q; want an error and the file as it was", broken, err, content(t, s))
		}
	}
}

// TestConcurrentSavesLoseNothing: each login is in the file in the end.
func TestConcurrentSavesLoseNothing(t *testing.T) {
	t.Parallel()
	s := at(t, "")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := s.Save(t.Context(), BasicEntry(fmt.Sprintf("http://gw:%d", i), "a", "b")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if entries, err := s.Entries(); err != nil || len(entries) != 20 {
		t.Errorf("%d entries, %v; want 20", len(entries), err)
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	cases := []struct {
		env  string
		want string
	}{
		{"", "/home/me/.openfaas"},
		{"CI=true", "/project/.openfaas"},
		{"CI=1", "/project/.openfaas"},
		{"CI=yes", "/home/me/.openfaas"},
		{"CI=true OPENFAAS_CONFIG=/etc/of", "/etc/of"},
		{"OPENFAAS_CONFIG=~/cfg", "/home/me/cfg"},
		{"OPENFAAS_CONFIG=cfg", "/project/cfg"},
	}
	for _, tc := range cases {
		lookup := func(key string) (string, bool) {
			for _, kv := range strings.Fields(tc.env) {
				if k, v, _ := strings.Cut(kv, "="); k == key {
					return v, true
				}
			}
			return "", false
		}
		if s, err := Locate(lookup, "/home/me", "/project"); err != nil || s.Dir != filepath.FromSlash(tc.want) {
			t.Errorf("with %q: %q, %v; want %q", tc.env, s.Dir, err, tc.want)
		}
	}
}

// TestCIFolderIsPrivateAndIgnored: it lies in a project (KB-64).
func TestCIFolderIsPrivateAndIgnored(t *testing.T) {
	t.Parallel()
	wd := t.TempDir()
	if err := os.Mkdir(filepath.Join(wd, ".openfaas"), 0o744); err != nil {
		t.Fatal(err)
	}
	ci := func(key string) (string, bool) { return map[string]string{"CI": "true"}[key], key == "CI" }
	s, err := Locate(ci, "", wd)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), BasicEntry("http://gw", "a", "b")); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(s.Dir); info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode = %v; want 0700", info.Mode())
	}
	if text, _ := os.ReadFile(filepath.Join(s.Dir, ".gitignore")); string(text) != "*\n" {
		t.Errorf(".gitignore = %q; want *", text)
	}
}
