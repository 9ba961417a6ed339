package stack

import (
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// large is a stack file of n functions as people write them, with variables.
func large(n int) []byte {
	var b strings.Builder
	b.WriteString("version: 1.0\nprovider:\n  name: openfaas\n  gateway: http://127.0.0.1:8080\nfunctions:\n")
	for i := range n {
		fmt.Fprintf(&b, `  fn-%05d:
    lang: golang-middleware
    handler: ./handlers/fn-%05d
    image: ${REGISTRY:-ghcr.io/acme}/fn-%05d:${TAG:-1.0}
    environment:
      write_timeout: 30s
      read_timeout: 30s
      MODE: "fast"
    secrets:
      - api-key
    labels:
      com.openfaas.scale.min: "1"
      team: core
    annotations:
      topic: a,b
    limits:
      memory: 128Mi
      cpu: 100m
`, i, i, i)
	}
	return []byte(b.String())
}

const largeCount = 5000

// BenchmarkDecode5000 is the floor of the others: one decode into structs by
// the YAML library, without variables, checks and positions.
func BenchmarkDecode5000(b *testing.B) {
	text := large(largeCount)
	b.ReportAllocs()
	for b.Loop() {
		var s schema.Stack
		if err := yaml.Unmarshal(text, &s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad5000(b *testing.B) {
	text := large(largeCount)
	b.ReportAllocs()
	for b.Loop() {
		f, err := parseText("stack.yaml", text, LoadOptions{Lookup: lookupIn(nil)})
		if err != nil || len(f.Functions) != largeCount {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadOneOf5000(b *testing.B) {
	text := large(largeCount)
	b.ReportAllocs()
	for b.Loop() {
		f, err := parseText("stack.yaml", text, LoadOptions{Lookup: lookupIn(nil), Select: Selector{Filter: "fn-00042"}})
		if err != nil || len(f.Functions) != 1 {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate5000(b *testing.B) {
	files := map[string]string{"stack.yaml": string(large(largeCount))}
	dir := b.TempDir()
	writeFiles(b, dir, files)
	known := func(string) bool { return true }
	b.ReportAllocs()
	for b.Loop() {
		findings, _, err := Validate(b.Context(), []string{"stack.yaml"}, LoadOptions{Dir: dir, Lookup: lookupIn(nil)}, ValidateOptions{Template: known})
		if err != nil || len(findings) != largeCount { // no handler exists
			b.Fatal(len(findings), err)
		}
	}
}

func BenchmarkAddTo5000(b *testing.B) {
	text := large(largeCount)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AddFunction("stack.yaml", text, "new", schema.Function{Image: "acme/new"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetIn5000(b *testing.B) {
	text := large(largeCount)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Set("stack.yaml", text, "functions.fn-02500.image", "acme/new:2"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkManifests5000(b *testing.B) {
	f, err := parseText("stack.yaml", large(largeCount), LoadOptions{Lookup: lookupIn(nil)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var buf []byte
		for i := range f.Functions {
			d, err := f.Functions[i].Deployment(Overrides{Image: "acme/x:1"})
			if err != nil {
				b.Fatal(err)
			}
			if buf = appendManifest(buf, "openfaas.com/v1", "", &d); len(buf) > flushSize {
				buf = buf[:0]
			}
		}
	}
}
