package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// scalar writes s as a YAML scalar that is read back as the text s: plain
// where that is safe, else in double quotes. flow says that it stands inside
// braces or brackets.
func scalar(s string, flow bool) string {
	if plainSafe(s, flow) && !looksTyped(s) {
		return s
	}
	return quoted(s)
}

// plainSafe tells whether s needs no quotes as far as its characters go. It
// refuses more than YAML does.
func plainSafe(s string, flow bool) bool {
	if s == "" || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") ||
		strings.Contains(s, ": ") || strings.Contains(s, " #") {
		return false
	}
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r == '.' || r == '/' || r == '_' || r == '$':
		case i > 0 && strings.ContainsRune("@:+-=~*%^()<>;?!&\\ ", r):
		case i > 0 && !flow && strings.ContainsRune("{}[],#'\"|", r):
		case r > 0x7f && unicode.IsLetter(r):
		default:
			return false
		}
	}
	return true
}

// looksTyped tells whether YAML 1.1 or 1.2 reads the plain scalar s as
// something else than text.
func looksTyped(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~":
		return true
	}
	if c := s[0]; (c < '0' || c > '9') && c != '.' && c != '+' && c != '-' {
		return false // neither number nor date
	}
	if (&yaml.Node{Kind: yaml.ScalarNode, Value: s}).ShortTag() != "!!str" {
		return true
	}
	// Numbers to base 60, as in 12:30, exist in YAML 1.1.
	return strings.Trim(s, "0123456789:_.") == ""
}

// quoted writes s in double quotes.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == 0x2028 || r == 0x2029 || r == 0xfeff || !unicode.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// amount writes a quantity, in which a number needs no quotes: its text is
// what counts.
func amount(s string, flow bool) string {
	if plainSafe(s, flow) {
		return s
	}
	return quoted(s)
}

// field is a key of a function with its value: text, or a mapping, or a list.
type field struct {
	key   string
	text  string // written as it is
	pairs [][2]string
	list  []string
}

// fields are what is written for fn, in the order that new and import use.
func fields(fn schema.Function, flow bool) []field {
	var out []field
	text := func(key, value string) {
		if value != "" {
			out = append(out, field{key: key, text: scalar(value, flow)})
		}
	}
	list := func(key string, values []string) {
		if len(values) == 0 {
			return
		}
		f := field{key: key}
		for _, v := range values {
			f.list = append(f.list, scalar(v, flow))
		}
		out = append(out, f)
	}
	table := func(key string, m map[string]string) {
		if len(m) == 0 {
			return
		}
		f := field{key: key}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			f.pairs = append(f.pairs, [2]string{scalar(k, flow), scalar(m[k], flow)})
		}
		out = append(out, f)
	}
	flag := func(key string, on bool) {
		if on {
			out = append(out, field{key: key, text: "true"})
		}
	}
	amounts := func(key string, r *schema.StackResources) {
		if r == nil || *r == (schema.StackResources{}) {
			return
		}
		f := field{key: key}
		if r.CPU != "" {
			f.pairs = append(f.pairs, [2]string{"cpu", amount(r.CPU, flow)})
		}
		if r.Memory != "" {
			f.pairs = append(f.pairs, [2]string{"memory", amount(r.Memory, flow)})
		}
		out = append(out, f)
	}
	text("lang", fn.Language)
	text("handler", fn.Handler)
	text("image", fn.Image)
	text("namespace", fn.Namespace)
	text("fprocess", fn.FProcess)
	table("environment", fn.Environment)
	list("environment_file", fn.EnvironmentFile)
	list("secrets", fn.Secrets)
	flag("skip_build", fn.SkipBuild)
	if fn.Constraints != nil {
		list("constraints", *fn.Constraints)
	}
	if fn.Labels != nil {
		table("labels", *fn.Labels)
	}
	if fn.Annotations != nil {
		table("annotations", *fn.Annotations)
	}
	amounts("requests", fn.Requests)
	amounts("limits", fn.Limits)
	flag("readonly_root_filesystem", fn.ReadOnlyRootFilesystem)
	list("build_options", fn.BuildOptions)
	table("build_args", fn.BuildArgs)
	table("build_secrets", fn.BuildSecrets)
	text("platforms", fn.Platforms)
	return out
}

// block writes a function as lines that begin with indent; step is what
// deeper levels add.
func block(name string, fn schema.Function, indent, step, eol string) string {
	var b strings.Builder
	all := fields(fn, false)
	if len(all) == 0 {
		return indent + scalar(name, false) + ": {}" + eol
	}
	b.WriteString(indent + scalar(name, false) + ":" + eol)
	inner := indent + step
	for _, f := range all {
		b.WriteString(inner + f.key + ":")
		if f.text != "" {
			b.WriteString(" " + f.text)
		}
		b.WriteString(eol)
		for _, p := range f.pairs {
			b.WriteString(blockKey(p[0], inner+step, eol) + p[1] + eol)
		}
		for _, v := range f.list {
			b.WriteString(inner + step + "- " + v + eol)
		}
	}
	return b.String()
}

// blockKey begins a line, at indent, with a key that is written as it is. YAML
// looks for the colon in the first 1024 characters, so a longer key is marked.
func blockKey(key, indent, eol string) string {
	const most = 1000
	if len(key) <= most {
		return indent + key + ": "
	}
	return indent + "? " + key + eol + indent + ": "
}

// flow writes a function inside braces. With quotes, keys and texts are in
// double quotes, as JSON wants them.
func flow(name string, fn schema.Function, quotes bool) string {
	key := func(s string) string {
		if quotes && !strings.HasPrefix(s, `"`) {
			return quoted(s)
		}
		return s
	}
	var parts []string
	for _, f := range fields(fn, true) {
		value := key(f.text)
		switch {
		case f.text == "true":
			value = f.text
		case f.pairs != nil:
			var inner []string
			for _, p := range f.pairs {
				inner = append(inner, key(p[0])+": "+key(p[1]))
			}
			value = "{" + strings.Join(inner, ", ") + "}"
		case f.list != nil:
			var inner []string
			for _, v := range f.list {
				inner = append(inner, key(v))
			}
			value = "[" + strings.Join(inner, ", ") + "]"
		}
		parts = append(parts, key(f.key)+": "+value)
	}
	return key(scalar(name, true)) + ": {" + strings.Join(parts, ", ") + "}"
}

// NewFile is the text of a new stack file with one function.
func NewFile(gateway, name string, fn schema.Function) []byte {
	return []byte("version: 1.0\nprovider:\n  name: openfaas\n  gateway: " + scalar(gateway, false) +
		"\nfunctions:\n" + block(name, fn, "  ", "  ", "\n") + "\n")
}
