package stack

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// FuzzEdit: an edit keeps every byte that is none of its business, and what it
// writes comes back.
func FuzzEdit(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, "a", "new", "x:1")
	}
	for _, name := range []string{"one", "two", "three"} {
		f.Add(edited, name, "uno", "{]")
		f.Add(edited, name, "uno", "s2,s3")
		f.Add(strings.ReplaceAll(edited, "\n", "\r\n"), name, "uno", "")
	}
	f.Fuzz(func(t *testing.T, text, name, other, value string) {
		e, err := newEditor("s.yml", []byte(text))
		if err != nil {
			return
		}
		o := oracle{t, e, text}
		o.add(other, value)
		o.rename(name, other)
		o.remove(name)
		o.set(name, "image", "functions."+name+".image", value)
		o.set(name, "secrets", "functions."+name+".secrets", value)
		o.set(name, "environment", "functions."+name+".environment.KEY", value)
	})
}

// oracle knows which bytes of a text an edit may touch.
type oracle struct {
	t    *testing.T
	e    *editor
	text string
}

// entry is the index of a key in a mapping of the file.
type entry struct {
	m *yaml.Node
	i int
}

func (o oracle) entry(m *yaml.Node, key string) (entry, bool) {
	if m == nil || m.Kind != yaml.MappingNode {
		return entry{}, false
	}
	i := o.e.indexOf(m, key)
	return entry{m, i}, i >= 0
}

// begin is where the key of x begins, and with it the line if nothing else is
// in front.
func (o oracle) begin(x entry) int {
	at := o.e.offset(x.m.Content[x.i])
	line := strings.LastIndexByte(o.text[:at], '\n') + 1
	if strings.Trim(o.text[line:at], " ?\t\ufeff") == "" {
		return line
	}
	return at
}

// end is where what follows x begins: a key or item, the comments above it, or
// the end of the document.
func (o oracle) end(x entry) int {
	value := x.m.Content[x.i+1]
	end := o.e.lineStart(o.e.documentEnd())
	if next, _ := following(o.e.src.root, value); next != nil {
		end = o.e.offset(next)
	}
	if x.m.Style&yaml.FlowStyle != 0 {
		return end
	}
	column := x.m.Content[x.i].Column
	for at := o.lineBefore(end); at > o.begin(x); at = o.lineBefore(at) {
		line := o.text[at:]
		body := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(body, "#") && len(line)-len(body) < column:
			end = at
		case strings.TrimLeft(body, "\r\t") == "" || strings.TrimLeft(body, "\r\t")[0] != '\n':
			return end
		}
	}
	return end
}

// lineBefore is the beginning of the line that ends at or before the line of at.
func (o oracle) lineBefore(at int) int {
	start := strings.LastIndexByte(o.text[:at], '\n') + 1
	if start == at && at > 0 {
		start = strings.LastIndexByte(o.text[:at-1], '\n') + 1
	}
	return start
}

// keeps checks that all of the text outside of text[from:to] is in out.
func (o oracle) keeps(what, out string, from, to int) {
	o.t.Helper()
	before, after := o.text[:from], o.text[to:]
	if len(out) < len(before)+len(after) || !strings.HasPrefix(out, before) || !strings.HasSuffix(out, after) {
		o.t.Fatalf("%s touches more than %q:\n%q\n%q", what, o.text[from:to], o.text, out)
	}
}

func (o oracle) add(name, value string) {
	fn := schema.Function{Image: "i", Environment: map[string]string{"K": value}}
	out, err := AddFunction("s.yml", []byte(o.text), name, fn)
	if err != nil {
		return
	}
	if file, err := parseText("s.yml", out, LoadOptions{}); err == nil && !strings.ContainsAny(value, "$\\") {
		if fn, ok := file.Function(name); !ok || fn.Environment["K"] != value {
			o.t.Fatalf("add %q: the value %q does not come back", name, value)
		}
	}
	// Nothing goes, but of an empty value, and what follows it on its line, the
	// value.
	cut := removed(o.text, string(out))
	if old, _, _ := strings.Cut(cut, "#"); strings.Trim(old, " {}~\r\n") != "" && !strings.EqualFold(strings.TrimSpace(old), "null") {
		o.t.Fatalf("add %q cut %q out of %q", name, cut, o.text)
	}
}

func (o oracle) rename(name, other string) {
	out, err := RenameFunction("s.yml", []byte(o.text), name, other)
	if err != nil {
		return
	}
	x, ok := o.entry(o.e.functions(), name)
	if !ok {
		o.t.Fatalf("renamed %q, which is not there", name)
	}
	from, to, _ := o.e.scalarSpan(x.m.Content[x.i])
	if old := strings.Trim(o.text[from:to], `"'`); old != name && !strings.Contains(old, `\`) {
		o.t.Fatalf("rename takes %q for the name %q", old, name)
	}
	o.keeps("rename", string(out), from, to)
}

func (o oracle) remove(name string) {
	out, err := RemoveFunction("s.yml", []byte(o.text), name)
	if err != nil {
		return
	}
	x, ok := o.entry(o.e.functions(), name)
	if !ok {
		o.t.Fatalf("removed %q, which is not there", name)
	}
	from, to := o.begin(x), o.end(x)
	if inFlow := x.m.Style&yaml.FlowStyle != 0; inFlow && x.i > 0 && x.i+2 == len(x.m.Content) {
		from = strings.LastIndexByte(o.text[:from], ',') // the comma goes with the last entry
	} else if !inFlow && len(x.m.Content) == 2 {
		// Of the last one stays {} behind the key.
		owner := o.e.offset(o.e.src.root.Content[o.e.indexOf(o.e.src.root, "functions")])
		i := strings.Index(string(out[owner:]), " {}")
		if i < 0 {
			o.t.Fatalf("no {} is left of the functions: %q", out)
		}
		out = append(out[:owner+i:owner+i], out[owner+i+len(" {}"):]...)
	}
	o.keeps("remove", string(out), from, to)
	if cut := removed(string(out), o.text); cut != "" {
		o.t.Fatalf("remove %q added %q to %q", name, cut, o.text)
	}
}

// set sets the value at path, which is that of the key of a function or of
// what is below it.
func (o oracle) set(name, key, path, value string) {
	out, err := Set("s.yml", []byte(o.text), path, value)
	if err != nil {
		return
	}
	x, ok := o.entry(o.e.functions(), name)
	if !ok {
		o.t.Fatalf("set %s, which is not there", path)
	}
	if field, ok := o.entry(x.m.Content[x.i+1], key); ok {
		x = field
	}
	o.keeps("set "+path, string(out), o.begin(x), o.end(x))
	file, err := parseText("s.yml", out, LoadOptions{})
	if err != nil || strings.ContainsAny(value, "$\\") {
		return
	}
	if fn, ok := file.Function(name); ok && key != "secrets" {
		got := fn.Image
		if key == "environment" {
			got = fn.Environment["KEY"]
		}
		if got != value {
			o.t.Fatalf("set %s: it is %q, not %q", path, got, value)
		}
	}
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
