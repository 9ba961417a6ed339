package stack

import (
	"maps"
	"strings"
	"testing"
)

func TestOverlaysMerge(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"stack.yaml": `version: 1.0
provider: {name: openfaas, gateway: http://base}
x-env: &env {A: "1", B: "2"}
functions:
  one:
    image: acme/one:1
    environment: *env
    secrets: [a, b]
    labels: {k: v, old: x}
  two:
    <<: {lang: go, handler: ./two}
    environment: *env
  three: {image: c}
`,
		"stack.prod.yaml": `provider: {gateway: "https://${HOST}"}
functions:
  one:
    environment: {B: "${B}", C: "4"}
    secrets: [c]
    labels: {old: null}
  two:
    handler: ./other
  three: null
  four: {image: d, imgae: x}
`,
	})
	path, ok := Overlay(dir, "stack.yaml", "prod")
	if !ok || path != "stack.prod.yaml" {
		t.Fatalf("overlay %q, %v", path, ok)
	}
	f, err := Load(t.Context(), []string{"stack.yaml", path}, LoadOptions{Dir: dir, Lookup: lookupIn(map[string]string{"HOST": "gw", "B": "3"})})
	if err != nil {
		t.Fatal(err)
	}
	if f.Gateway != "https://gw" || names(f.Functions) != "one two four" {
		t.Errorf("gateway %s, functions %s", f.Gateway, names(f.Functions))
	}
	one, two := f.Functions[0], f.Functions[1]
	if want := map[string]string{"A": "1", "B": "3", "C": "4"}; !maps.Equal(one.Environment, want) {
		t.Errorf("maps merge: %v", one.Environment)
	}
	if want := map[string]string{"A": "1", "B": "2"}; !maps.Equal(two.Environment, want) {
		t.Errorf("the other alias of the same map changed: %v", two.Environment)
	}
	if strings.Join(one.Secrets, " ") != "c" || len(*one.Labels) != 1 {
		t.Errorf("lists replace, null removes: %v %v", one.Secrets, *one.Labels)
	}
	if two.Handler != "./other" || two.Language != "go" {
		t.Errorf("a merge key below an overlay: %+v", two.Function)
	}
	for path, want := range map[string]string{"image": "stack.yaml:6:12", "secrets": "stack.prod.yaml:5:14"} {
		if got := one.Position(path).String(); got != want {
			t.Errorf("%s comes from %s, want %s", path, got, want)
		}
	}
	if len(f.Warnings) != 1 || f.Warnings[0].Position.String() != "stack.prod.yaml:10:20" {
		t.Errorf("warnings %v", f.Warnings)
	}
	if _, ok := Overlay(dir, "stack.yaml", "test"); ok {
		t.Error("an overlay that does not exist is found")
	}
}

func TestEnvFiles(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"a.env":   "# c\nexport A=1\nB='x y' # c\nC=\"l1\\nl2\"\nD=${B}!\n",
		"b.env":   "A=2\n",
		"bad.env": "this is secret-value\n",
	})
	lookup, err := EnvFiles(dir, []string{"a.env", "b.env"}, lookupIn(map[string]string{"A": "env", "E": "env"}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "2", "B": "x y", "C": "l1\nl2", "D": "x y!", "E": "env"} {
		if got, ok := lookup(name); got != want || !ok {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	if _, ok := lookup("F"); ok {
		t.Error("F is set")
	}
	for _, path := range []string{"bad.env", "missing.env"} {
		if _, err := EnvFiles(dir, []string{path}, nil); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret-value") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
