package stack

import (
	"reflect"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
)

// TestTopLevelKeys has every key of a stack file's top level.
func TestTopLevelKeys(t *testing.T) {
	t.Parallel()
	const text = `
version: "1.0"
provider: {name: openfaas, gateway: "https://gw:8443", network: ignored}
functions: {}
configuration:
  templates:
    - {name: go, source: "https://example.com/t#v1"}
    - name: from-store
  copy: [./shared, common]
x-own: {anything: [goes]}
`
	f, err := parseText("s.yml", []byte(text), LoadOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	templates := []schema.TemplateSource{{Name: "go", Source: "https://example.com/t#v1"}, {Name: "from-store"}}
	if f.Version != "1.0" || f.Gateway != "https://gw:8443" || len(f.Functions) != 0 ||
		!reflect.DeepEqual(f.Templates, templates) || !reflect.DeepEqual(f.CopyExtra, []string{"./shared", "common"}) {
		t.Errorf("got %+v", f)
	}
	for _, version := range []string{"", "version: 1.0\n", "version: \"1.0\"\n", "version:\n"} {
		if _, err := parseText("s.yml", []byte(version+minimal), LoadOptions{}); err != nil {
			t.Errorf("%q: %v", version, err)
		}
	}
	// Several documents: the first counts.
	if f, err := parseText("s.yml", []byte(minimal+"functions: {a: {}}\n---\nprovider: {name: faas}\n"), LoadOptions{}); err != nil || names(f.Functions) != "a" {
		t.Errorf("two documents: %v, %v", f, err)
	}
}

// TestFunctionKeys has every key of a function.
func TestFunctionKeys(t *testing.T) {
	t.Parallel()
	const text = minimal + `functions:
  fn:
    lang: Dockerfile
    handler: ./fn
    image: acme/fn
    fprocess: node index.js
    environment: {A: b}
    environment_file: [one.yml, two.yml]
    secrets: [s1, s2]
    skip_build: true
    constraints: ["a=b"]
    labels: {l: v}
    annotations: {topic: t}
    limits: {memory: 1Gi, cpu: 500m}
    requests: {memory: 64Mi, cpu: 0.1}
    readonly_root_filesystem: true
    build_options: [dev]
    build_args: {GO: "1.26"}
    build_secrets: {npm: ./npmrc}
    namespace: dev
    platforms: linux/amd64,linux/arm64
    registry_auth: ignored
    network: ignored
    x-own: 1
`
	f, err := parseText("s.yml", []byte(text), LoadOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	want := schema.Function{
		Language: "dockerfile", Handler: "./fn", Image: "acme/fn", FProcess: "node index.js",
		Environment: map[string]string{"A": "b"}, EnvironmentFile: []string{"one.yml", "two.yml"},
		Secrets: []string{"s1", "s2"}, SkipBuild: true, Constraints: &[]string{"a=b"},
		Labels: &map[string]string{"l": "v"}, Annotations: &map[string]string{"topic": "t"},
		Limits:                 &schema.StackResources{Memory: "1Gi", CPU: "500m"},
		Requests:               &schema.StackResources{Memory: "64Mi", CPU: "0.1"},
		ReadOnlyRootFilesystem: true,
		BuildOptions:           []string{"dev"}, BuildArgs: map[string]string{"GO": "1.26"},
		BuildSecrets: map[string]string{"npm": "./npmrc"}, Namespace: "dev", Platforms: "linux/amd64,linux/arm64",
	}
	if got := f.Functions[0].Function; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// A row that is missing above would be zero.
	for i, v := 0, reflect.ValueOf(want); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the key of %s is not tested", v.Type().Field(i).Name)
		}
	}
}

// TestScalarsKeepTheirText has scalars of other types where text is wanted,
// and the words of YAML 1.1 where a boolean is.
func TestScalarsKeepTheirText(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"true": "true", "1.50": "1.50", "0x10": "0x10", "010": "010", "2026-01-02": "2026-01-02", "1_000": "1_000",
		"": "", "null": "", "~": "", `"null"`: "null", "yes": "yes", "'1'": "1", "1e3": "1e3",
	} {
		f, err := parseText("s.yml", []byte(minimal+"functions:\n  a:\n    environment:\n      A: "+written+"\n"), LoadOptions{Lookup: lookupIn(nil)})
		if err != nil {
			t.Errorf("%q: %v", written, err)
			continue
		}
		if got, ok := f.Functions[0].Environment["A"]; !ok || got != want {
			t.Errorf("%q: got %q, %v, want %q", written, got, ok, want)
		}
	}
	for word, want := range map[string]bool{
		"true": true, "True": true, "yes": true, "Yes": true, "on": true, "ON": true, `"yes"`: true, `'true'`: true, "y": true,
		"false": false, "no": false, "off": false, `"off"`: false, "n": false, "": false, "~": false,
	} {
		f, err := parseText("s.yml", []byte(minimal+"functions:\n  a:\n    skip_build: "+word+"\n    readonly_root_filesystem: "+word+"\n"), LoadOptions{})
		if err != nil || f.Functions[0].SkipBuild != want || f.Functions[0].ReadOnlyRootFilesystem != want {
			t.Errorf("%q: got %+v, %v, want %v", word, f, err, want)
		}
	}
}
