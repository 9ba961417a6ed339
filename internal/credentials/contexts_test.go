package credentials

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestContextsAreKeptInAFileOfTheirOwn(t *testing.T) {
	t.Parallel()
	const config = "auths:\n  - gateway: http://a\n    auth: basic\n    token: eDp5\n"
	s := at(t, config)
	if c, err := s.Contexts(); err != nil || len(c.Contexts) != 0 {
		t.Errorf("without a file: %v, %v", c, err)
	}
	want := Contexts{Current: "b", Contexts: []Context{
		{Name: "b", Gateway: "http://b", Namespace: "dev"},
		{Name: "a", Gateway: "https://a", TLS: TLS{CAFile: "/ca.pem", NoVerify: true}},
	}}
	edit := func(change func(*Contexts) error) error { return s.EditContexts(t.Context(), change) }
	if err := edit(func(c *Contexts) error { *c = want; return nil }); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("no")
	if err := edit(func(c *Contexts) error { c.Current = "a"; return refused }); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if got, err := s.Contexts(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("contexts %+v, %v; want %+v", got, err, want)
	}
	if info, err := os.Stat(s.ContextsPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(filepath.Join(s.Dir, "config.yml")); err != nil || string(text) != config {
		t.Errorf("config.yml became %q, %v", text, err)
	}
}

func TestContextsThatCannotBeReadStay(t *testing.T) {
	t.Parallel()
	s := at(t, "")
	if err := os.WriteFile(s.ContextsPath(), []byte("contexts: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Contexts(); err == nil {
		t.Error("a broken file was read")
	}
	if err := s.EditContexts(t.Context(), func(*Contexts) error { return nil }); err == nil {
		t.Error("a broken file was replaced")
	}
}
