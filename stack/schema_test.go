package stack

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	checker "github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

const schemaFile = "../schema/stack.schema.json"

// TestJSONSchemaIsCurrent regenerates the checked-in schema from the types;
// go test ./stack -run JSONSchema -update writes it.
func TestJSONSchemaIsCurrent(t *testing.T) {
	r := &jsonschema.Reflector{FieldNameTag: "yaml", DoNotReference: true, Anonymous: true}
	// The reflector joins base and path to the import path.
	if err := r.AddGoComments("github.com/faas-cli/faas-cli/stack", "../schema"); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r.Reflect(schema.Stack{}))
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	loosen(s)
	complete(s)
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	if flag.Lookup("update") != nil && flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(schemaFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want.Bytes(), schema.StackJSONSchema()) {
		t.Errorf("%s is out of date: run go test ./stack -run JSONSchema -update", schemaFile)
	}
}

// update rewrites files that are generated from the code.
var _ = flag.Bool("update", false, "rewrite generated files")

// loosen makes the schema say what stack files may hold: any scalar where text
// is wanted, null for nothing, and keys that begin with x-.
func loosen(n any) {
	switch n := n.(type) {
	case []any:
		for _, c := range n {
			loosen(c)
		}
	case map[string]any:
		for _, c := range n {
			loosen(c)
		}
		switch n["type"] {
		case "string":
			n["type"] = []string{"string", "number", "boolean", "null"}
		case "array":
			n["type"] = []string{"array", "null"}
		case "boolean":
			delete(n, "type")
			n["enum"] = []any{true, false, nil, "true", "false", "yes", "no", "on", "off", "y", "n"}
		case "object":
			n["type"] = []string{"object", "null"}
			if _, ok := n["properties"]; ok {
				n["patternProperties"] = map[string]any{"^x-": true}
				delete(n, "required")
			}
		}
	}
}

// complete adds what types cannot say.
func complete(s map[string]any) {
	s["$id"] = "https://github.com/faas-cli/faas-cli/schema/stack.schema.json"
	s["title"] = "OpenFaaS stack file"
	s["type"] = "object"
	s["required"] = []string{"provider"}
	properties := s["properties"].(map[string]any)
	properties["version"] = map[string]any{"enum": []any{"1.0", 1, nil, ""}, "description": `always 1.0`}
	provider := properties["provider"].(map[string]any)
	provider["type"], provider["required"] = "object", []string{"name"}
	names := provider["properties"].(map[string]any)
	names["name"] = map[string]any{"const": "openfaas"}
	names["network"] = map[string]any{"deprecated": true, "description": "without effect"}
	functions := properties["functions"].(map[string]any)
	functions["propertyNames"] = map[string]any{
		"anyOf": []any{
			map[string]any{"pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
			map[string]any{"pattern": `\$\{`},
		},
	}
	fn := functions["additionalProperties"].(map[string]any)
	fields := fn["properties"].(map[string]any)
	for _, old := range []string{"registry_auth", "network"} {
		fields[old] = map[string]any{"deprecated": true, "description": "without effect"}
	}
	// A variable may stand for any value.
	variable := map[string]any{"type": "string", "pattern": `\$\{`}
	for key, field := range fields {
		if f := field.(map[string]any); f["type"] != nil || f["enum"] != nil {
			if t, ok := f["type"].([]string); ok && t[0] == "string" {
				continue
			}
			description := f["description"]
			delete(f, "description")
			fields[key] = map[string]any{"anyOf": []any{f, variable}}
			if description != nil {
				fields[key].(map[string]any)["description"] = description
			}
		}
	}
}

// compiled is the checked-in schema, compiled by a library that had no part in
// making it.
func compiled(t *testing.T) *checker.Schema {
	t.Helper()
	doc, err := checker.UnmarshalJSON(bytes.NewReader(schema.StackJSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := checker.NewCompiler()
	if err := c.AddResource("stack.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("stack.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkYAML validates YAML as editors do: by its values.
func checkYAML(t *testing.T, s *checker.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := checker.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestJSONSchemaAcceptsExamples(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, text := range []string{edited, minimal, string(NewFile("http://gw", "fa", schema.Function{Image: "i"})), `
version: 1.0
provider: {name: openfaas}
functions:
  ${NAME}:
    image: 1.5
    skip_build: yes
    environment: {A: 1, B: true, C: null}
    labels: ${LABELS}
    limits: {cpu: 1, memory: 1Gi}
    readonly_root_filesystem: ${RO:-yes}
    x-mine: [1]
  empty:
x-all: {a: b}
configuration:
  templates: [{name: go}]
`} {
		if err := checkYAML(t, s, text); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	for _, dir := range []string{"../docs", "../README.md"} {
		files, _ := filepath.Glob(dir + "/*.md")
		if strings.HasSuffix(dir, ".md") {
			files = []string{dir}
		}
		for _, file := range files {
			for _, text := range stackBlocks(t, file) {
				if err := checkYAML(t, s, text); err != nil {
					t.Errorf("%s: %v in\n%s", file, err, text)
				}
			}
		}
	}
}

// stackBlocks are the YAML blocks of a document that are whole stack files.
func stackBlocks(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var out []string
	for i, block := range strings.Split(string(data), "```") {
		if text, ok := strings.CutPrefix(block, "yaml\n"); ok && i%2 == 1 && strings.Contains(text, "\nfunctions:") && declaresProvider([]byte(text)) {
			out = append(out, text)
		}
	}
	return out
}

func TestJSONSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, text := range []string{
		"functions: {}", "provider: {name: faas}", minimal + "version: 2.0", minimal + "functions: {a: {imgae: x}}",
		minimal + "functions: {a: {image: [x]}}", minimal + "functions: {A: {}}", minimal + "functions: {a: {secrets: x}}",
		minimal + "extra: 1", minimal + "functions: {a: {skip_build: maybe}}", "[]",
	} {
		if checkYAML(t, s, text) == nil {
			t.Errorf("accepted: %s", text)
		}
	}
}
