package stack

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/drone/envsubst"
)

// seeds are texts that every fuzz target begins with.
func seeds() []string {
	return []string{
		edited,
		minimal,
		minimal + "functions: {a: {image: \"${A:-}}\", secrets: [${B}]}}\n",
		minimal + "x: &x {k: v}\nfunctions:\n  a:\n    <<: *x\n    environment: *x\n",
		minimal + "functions:\n  a: &a\n    <<: [*a, *a]\n",
		minimal + "functions:\n  a:\n    environment:\n      A: |+\n        x\n\n\nx-a: 1\n",
		"\ufeff{\"provider\": {\"name\": \"openfaas\"}, \"functions\": {\"a\": {}}}",
		"provider:\r\n  name: openfaas\r\nfunctions:\r\n  a:\r\n    image: ${A/}/x}\r\n---\r\n...\r\n",
		minimal + "functions: !!map {? a : {}, ? [b] : c}\n",
		minimal + "functions:\n  a: {image: \"\ue000\\uE001$${X}\\\\${#A}\"}\n# ${ ${A:-\n",
		"functions: ~ # x\nprovider: {name: ${P:-openfaas}}\n",
	}
}

// fuzzLookup is set for some variables only, some with hostile values.
func fuzzLookup(name string) (string, bool) {
	switch {
	case name == "":
		return "", false
	case name[0] < 'H':
		return "a: b\n- ${X} \ue000\ue100\ue100", true
	case name[0] < 'S':
		return name, true
	}
	return "", false
}

// FuzzLoad: no text makes Load panic, hang or return nothing.
func FuzzLoad(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		for _, o := range []LoadOptions{{}, {Lookup: fuzzLookup}, {Lookup: fuzzLookup, Strict: true}} {
			file, err := parseText("s.yml", []byte(text), o)
			if (file == nil) == (err == nil) {
				t.Fatalf("file %v, error %v", file, err)
			}
			if err == nil {
				for i := range file.Functions {
					if CheckName(file.Functions[i].Name) != nil {
						t.Fatalf("the name %q came through", file.Functions[i].Name)
					}
				}
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}

// FuzzSubstitute: what becomes of a text is what envsubst makes of it, as long
// as that is valid.
func FuzzSubstitute(f *testing.F) {
	for _, s := range append(seeds(), "${A}", "$${A}$$$${B}", "${S:-${A}}", `a\\b\/c${A/a/}`, "${A:1:2}${#Z}", "${A/}/x}", "${S:-a}b}", "$$$", "${A", "${S:-x\ny}") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 || strings.ContainsRune(text, 0) {
			return // the library is quadratic, and takes a NUL for the end
		}
		hidden, p := hide(text)
		if p == nil {
			if hidden != text {
				t.Fatalf("changed without placeholders: %q", hidden)
			}
			p = &placeholders{mark: firstMark, gap: firstMark + 1}
			if strings.ContainsAny(text, "\ue000\ue001") {
				return
			}
		}
		if len(p.bad) > 0 {
			return
		}
		want, err := envsubst.Eval(text, func(name string) string {
			v, _ := fuzzLookup(name)
			return v
		})
		if err != nil {
			t.Fatalf("%q: accepted, but envsubst says %v", text, err)
		}
		e := newEvaluator(p, fuzzLookup)
		if got := p.reveal(hidden, func(id int) string { return e.value(id).text }); got != want {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
	})
}

// FuzzMerge: overlays neither panic nor change their base.
func FuzzMerge(f *testing.F) {
	for _, a := range seeds() {
		f.Add(a, minimal+"functions: {a: {environment: {A: null, B: x}, secrets: []}, one: null}\n")
		f.Add(minimal+"functions: {a: {labels: {x: y}}}\n", a)
	}
	f.Fuzz(func(t *testing.T, base, over string) {
		texts := map[string]string{"https://base": base, "https://over": over}
		o := LoadOptions{Lookup: fuzzLookup, Fetch: func(_ context.Context, url string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(texts[url])), nil
		}}
		both, err := Load(t.Context(), []string{"https://base", "https://over"}, o)
		if err != nil {
			return
		}
		alone, err := Load(t.Context(), []string{"https://base"}, o)
		if err != nil {
			return
		}
		texts["https://over"] = ""
		same, err := Load(t.Context(), []string{"https://base", "https://over"}, o)
		if err != nil || names(same.Functions) != names(alone.Functions) {
			t.Fatalf("an empty overlay changes the functions: %v", err)
		}
		for _, fn := range both.Functions {
			if CheckName(fn.Name) != nil {
				t.Fatalf("the name %q came through", fn.Name)
			}
		}
	})
}
