package stack

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/drone/envsubst"
	"github.com/faas-cli/faas-cli/schema"
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
			file, err := Parse("s.yml", []byte(text), o)
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

// FuzzEdit: an edit keeps every byte that is none of its business.
func FuzzEdit(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, "a", "new", "x:1")
	}
	f.Add(edited, "one", "uno", "{]")
	f.Fuzz(func(t *testing.T, text, name, other, value string) {
		if out, err := AddFunction("s.yml", []byte(text), other, schema.Function{Image: "i", Environment: map[string]string{"K": value}}); err == nil {
			if file, err := Parse("s.yml", out, LoadOptions{}); err == nil && !strings.ContainsAny(value, "$\\") {
				if fn, ok := file.Function(other); !ok || fn.Environment["K"] != value {
					t.Fatalf("add %q: the value %q does not come back", other, value)
				}
			}
			// Of an empty value, and what follows it on its line, the value goes.
			cut := removed(text, string(out))
			if old, _, _ := strings.Cut(cut, "#"); strings.Trim(old, " {}~\r\n") != "" && !strings.EqualFold(strings.TrimSpace(old), "null") {
				t.Fatalf("add %q cut %q out of %q", other, cut, text)
			}
		}
		if out, err := RenameFunction("s.yml", []byte(text), name, other); err == nil {
			if cut := removed(text, string(out)); strings.Contains(cut, "\n") || len(cut) > len(name)*6+2 {
				t.Fatalf("rename %q cut %q out of %q", name, cut, text)
			}
		}
		if out, err := RemoveFunction("s.yml", []byte(text), name); err == nil {
			rest := strings.Replace(string(out), " {}", "", 1)
			if removed(string(out), text) != "" && removed(rest, text) != "" && !strings.Contains(string(out), " {}") {
				t.Fatalf("remove %q added something: %q to %q", name, text, out)
			}
		}
		if out, err := Set("s.yml", []byte(text), "functions."+name+".image", value); err == nil {
			before, after := lines(text), lines(string(out))
			if n := len(removedLines(before, after)); n > 1+strings.Count(text, "\n") {
				t.Fatalf("set %q changed %d lines", name, n)
			}
			file, err := Parse("s.yml", out, LoadOptions{})
			if err == nil {
				if fn, ok := file.Function(name); ok && fn.Image != value && !strings.ContainsAny(value, "$\\") {
					t.Fatalf("set image of %q: it is %q, not %q", name, fn.Image, value)
				}
			}
		}
	})
}

// removed is what of a is neither in the beginning nor in the end that it has
// in common with b.
func removed(a, b string) string {
	prefix := 0
	for prefix < len(a) && prefix < len(b) && a[prefix] == b[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < len(a)-prefix && suffix < len(b)-prefix && a[len(a)-1-suffix] == b[len(b)-1-suffix] {
		suffix++
	}
	return a[prefix : len(a)-suffix]
}

func lines(s string) []string { return strings.Split(s, "\n") }

func removedLines(a, b []string) []string {
	return lines(removed(strings.Join(a, "\n"), strings.Join(b, "\n")))
}
