package stack

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

const (
	// maxExpansion bounds what aliases may blow a file up to, in bytes. A file
	// of some MiB may cost maxFactor times its size, more than any does without
	// aliases.
	maxExpansion = 64 << 20
	maxFactor    = 20
	// nodeCost is what a node counts besides its text.
	nodeCost = 32
	// maxErrors is how many mistakes are reported at once.
	maxErrors = 20
	// maxName is the length of a DNS label.
	maxName = 63
)

// decoder turns nodes into values and gathers what is wrong with them.
type decoder struct {
	f      *File
	budget int
	errs   []error
	strict []error // warnings that a strict load refuses
	above  string  // the key in front of the one that each is at, when it has no value
}

// newDecoder makes a decoder with a budget for the sources of f.
func newDecoder(f *File) *decoder {
	size := 0
	for _, s := range f.sources {
		size += len(s.text)
	}
	return &decoder{f: f, budget: max(maxExpansion, maxFactor*size)}
}

// decode fills f from its sources.
func (f *File) decode(matches func(string) bool) error {
	d := newDecoder(f)
	for _, s := range f.sources {
		if s.root != nil {
			d.unique(s, s.root, 0)
		}
	}
	if len(d.errs) > 0 {
		return d.err()
	}
	if f.merge(d); len(d.errs) > 0 {
		return d.err()
	}
	if err := d.document(); err != nil {
		return err
	}
	nodes := d.functionNodes()
	if len(d.errs) > 0 {
		return d.err()
	}
	for _, fn := range nodes {
		if matches != nil && !matches(fn.Name) {
			continue
		}
		d.function(&fn)
		f.Functions = append(f.Functions, fn)
		if len(d.errs) >= maxErrors {
			break
		}
	}
	if len(d.errs)+len(d.strict) > 0 {
		return d.err()
	}
	if matches != nil && len(f.Functions) == 0 {
		return ErrNoMatch
	}
	f.warnRemote()
	slices.SortStableFunc(f.Warnings, func(a, b Warning) int { return f.compare(a.Position, b.Position) })
	return nil
}

// compare orders positions by file and line.
func (f *File) compare(a, b Position) int {
	return cmp.Or(
		cmp.Compare(slices.Index(f.Paths, a.File), slices.Index(f.Paths, b.File)),
		cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

func (d *decoder) err() error {
	d.errs = append(d.errs, d.strict...)
	slices.SortStableFunc(d.errs, func(a, b error) int {
		var x, y *SyntaxError
		if !errors.As(a, &x) || !errors.As(b, &y) {
			return 0
		}
		return d.f.compare(x.Position, y.Position)
	})
	if len(d.errs) > maxErrors {
		d.errs = d.errs[:maxErrors]
	}
	return errors.Join(d.errs...)
}

func (d *decoder) errorf(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, d.f.source(n).errorf(n, format, args...))
}

// rulef is errorf under another rule than RuleSchema.
func (d *decoder) rulef(n *yaml.Node, rule, format string, args ...any) {
	err := d.f.source(n).errorf(n, format, args...)
	err.Rule = rule
	d.errs = append(d.errs, err)
}

// wants says that n, the value at path, is not of the kind that it must be.
func (d *decoder) wants(n *yaml.Node, path string, want valueKind) {
	what, advice := "text", "write one value, in quotes if it holds brackets"
	switch want {
	case boolValue:
		what, advice = "true or false", "write true or false"
	case listValue:
		what, advice = "a list", "write [A, B], or lines that begin with a dash"
	case mappingValue:
		what, advice = "a mapping", "write lines KEY: VALUE, indented below the key"
	}
	s := d.f.source(n)
	if own, revealed := s.revealed[n]; revealed && !own && want >= listValue {
		advice = "what a variable holds stays text: write the structure in the file, with variables inside"
	}
	err := s.errorf(n, "%s: wants %s, not %s", path, what, kind(n))
	err.Advice = advice
	d.errs = append(d.errs, err)
}

// warnf adds a warning, or an error when the load is strict.
func (d *decoder) warnf(n *yaml.Node, rule, format string, args ...any) {
	d.warnAt(d.f.position(n), rule, fmt.Sprintf(format, args...))
}

func (d *decoder) warnAt(p Position, rule, message string) {
	w := Warning{Position: p, Rule: rule, Message: message}
	if d.f.opts.Strict {
		d.strict = append(d.strict, &SyntaxError{Position: w.Position, Rule: rule, Message: w.Message})
		return
	}
	d.f.Warnings = append(d.f.Warnings, w)
}

// unique refuses a key that stands twice in a mapping, in all that has a
// meaning. depth is that of n in the document.
func (d *decoder) unique(s *source, n *yaml.Node, depth int) {
	if n.Kind == yaml.MappingNode {
		if key, first := duplicate(n); key != nil {
			name := key.Value
			if s.hidden != nil {
				name = s.hidden.original(name)
			}
			err := s.errorf(key, "the key %q is already in line %d", name, s.originalLine(first.Line))
			err.Rule = RuleDuplicate
			d.errs = append(d.errs, err)
		}
		for i := 1; i < len(n.Content); i += 2 {
			if c := n.Content[i]; len(c.Content) > 0 && (depth > 0 || slices.Contains(rootKeys(), n.Content[i-1].Value)) {
				d.unique(s, c, depth+1)
			}
		}
		return
	}
	for _, c := range n.Content {
		if len(c.Content) > 0 {
			d.unique(s, c, depth+1)
		}
	}
}

// duplicate is the first key of n that stands there twice, and its first use.
func duplicate(n *yaml.Node) (key, first *yaml.Node) {
	keys := n.Content
	if len(keys) <= 32 { // of so few, comparing is faster than hashing
		for i := 2; i < len(keys); i += 2 {
			for j := 0; j < i; j += 2 {
				if keys[i].Value == keys[j].Value && keys[i].Kind == yaml.ScalarNode && keys[j].Kind == yaml.ScalarNode {
					return keys[i], keys[j]
				}
			}
		}
		return nil, nil
	}
	seen := make(map[string]*yaml.Node, len(keys)/2)
	for i := 0; i < len(keys); i += 2 {
		if keys[i].Kind != yaml.ScalarNode {
			continue
		}
		if first, ok := seen[keys[i].Value]; ok {
			return keys[i], first
		}
		seen[keys[i].Value] = keys[i]
	}
	return nil, nil
}

// document decodes everything but the functions.
func (d *decoder) document() error {
	root := d.f.root
	if root == nil || isNull(root) {
		root = &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	}
	if root.Kind != yaml.MappingNode {
		d.errorf(root, "a stack file is a mapping that begins with provider and functions, this is %s", kind(root))
		return d.err()
	}
	var provider, version, configuration *yaml.Node
	d.each(root, "", func(k, v *yaml.Node) {
		switch k.Value {
		case "version":
			version = v
		case "provider":
			provider = v
		case "functions":
			d.f.functions = v
		case "configuration":
			configuration = v
		default:
			d.unknown(k, "", rootKeys())
		}
	})
	if d.provider(root, provider); len(d.errs) > 0 {
		return d.err()
	}
	if version != nil {
		d.f.Version = d.text(version, "version")
		if d.f.Version != "" && d.f.Version != "1.0" {
			d.errorf(version, "version must be 1.0, but it is %q", d.f.Version)
		}
	}
	if d.configuration(configuration); len(d.errs) > 0 {
		return d.err()
	}
	return nil
}

// provider decodes n, which is nil where root has none.
func (d *decoder) provider(root, n *yaml.Node) {
	at, is, name := root, "missing", ""
	if n != nil {
		at = n
	}
	if d.isMapping(n, "provider") {
		d.each(n, "provider", func(k, v *yaml.Node) {
			switch k.Value {
			case "name":
				name = d.text(v, "provider.name")
				at, is = v, strconv.Quote(name)
			case "gateway":
				d.f.Gateway = d.line(v, "provider.gateway")
			case "network": // of the first generation, without effect
			default:
				d.unknown(k, "provider", []string{"name", "gateway"})
			}
		})
	}
	if len(d.errs) > 0 || name == "openfaas" {
		return
	}
	err := d.f.source(at).errorf(at, "provider.name must be openfaas, but it is %s", is)
	err.Advice = "write name: openfaas, indented below provider"
	d.errs = append(d.errs, err)
}

// configuration decodes n, which may be nil.
func (d *decoder) configuration(n *yaml.Node) {
	if !d.isMapping(n, "configuration") {
		return
	}
	d.each(n, "configuration", func(k, v *yaml.Node) {
		switch k.Value {
		case "copy":
			d.f.CopyExtra = d.lines(v, "configuration.copy")
		case "templates":
			d.f.Templates = d.templates(v)
		default:
			d.unknown(k, "configuration", []string{"templates", "copy"})
		}
	})
}

// rootKeys are the keys of a stack file's top level.
func rootKeys() []string { return []string{"version", "provider", "functions", "configuration"} }

func (d *decoder) templates(n *yaml.Node) []schema.TemplateSource {
	var out []schema.TemplateSource
	n = d.follow(n)
	if d.isEmpty(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.errorf(n, "configuration.templates: wants a list of name and source, not %s", kind(n))
		return nil
	}
	for i, item := range n.Content {
		path := fmt.Sprintf("configuration.templates[%d]", i)
		var t schema.TemplateSource
		if !d.isMapping(item, path) {
			continue
		}
		d.each(item, path, func(k, v *yaml.Node) {
			switch k.Value {
			case "name":
				t.Name = d.line(v, path+".name")
			case "source":
				t.Source = d.line(v, path+".source")
			default:
				d.unknown(k, path, []string{"name", "source"})
			}
		})
		out = append(out, t)
	}
	return out
}

// functionNodes checks the names of all functions and returns them undecoded.
func (d *decoder) functionNodes() []Function {
	n := d.follow(d.f.functions)
	if d.isEmpty(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "functions: wants a mapping of names to functions, not %s", kind(n))
		return nil
	}
	out := make([]Function, 0, len(n.Content)/2)
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	d.each(n, "functions", func(k, v *yaml.Node) {
		if first, ok := seen[k.Value]; ok {
			d.rulef(k, RuleDuplicate, "functions: the function %q is already in line %d", k.Value, d.f.position(first).Line)
			return
		}
		seen[k.Value] = k
		if err := CheckName(k.Value); err != nil {
			d.rulef(k, RuleName, "functions: %v", err)
			return
		}
		out = append(out, Function{Name: k.Value, Pos: d.f.position(k), node: v, file: d.f})
	})
	return out
}

// CheckName refuses a function name that is no DNS label (lower-case letters,
// digits and inner dashes) or has more than 63 characters.
func CheckName(name string) error {
	if name == "" {
		return errors.New("a function's name is empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("the function name %q has %d characters, more than %d", name, len(name), maxName)
	}
	for i := range len(name) {
		c := name[i]
		inner := i > 0 && i < len(name)-1
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && inner) {
			return fmt.Errorf("the function name %q may only contain a-z, 0-9 and inner dashes", name)
		}
	}
	return nil
}
