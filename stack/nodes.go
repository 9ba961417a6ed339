package stack

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// isMapping tells whether n is a mapping to be read. An absent or empty one
// is not; any other value is an error.
func (d *decoder) isMapping(n *yaml.Node, path string) bool {
	n = d.follow(n)
	if d.isEmpty(n) {
		return false
	}
	if n.Kind != yaml.MappingNode {
		d.wants(n, path, mappingValue)
		return false
	}
	return true
}

// isEmpty tells whether n, from which a mapping or list is wanted, is absent,
// null, or text that is an empty one, as a variable can give. A default that
// is one, as in ${LABELS:-{a: b}}, takes the place of n.
func (d *decoder) isEmpty(n *yaml.Node) bool {
	if n == nil {
		return true
	}
	d.reveal(n)
	if n.Kind == yaml.ScalarNode {
		s := d.f.source(n)
		if v := s.ownValue(n); v != nil && len(v.Content) > 0 {
			d.place(s, v, n)
			*n = *v
			d.unique(s, n, 1)
		}
	}
	return isNull(n) || n.Kind == yaml.ScalarNode && n.Style == 0 && (n.Value == "{}" || n.Value == "[]")
}

// place puts v and all below it where n stands.
func (d *decoder) place(s *source, v, n *yaml.Node) {
	v.Line, v.Column = n.Line, n.Column
	if d.f.origins != nil {
		d.f.origins[v] = s
	}
	for _, c := range v.Content {
		d.place(s, c, n)
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode:
		if isNull(n) {
			return "nothing"
		}
		return fmt.Sprintf("the text %q", shorten(n.Value))
	}
	return "nothing"
}

// shorten cuts text for a message.
func shorten(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// follow resolves an alias.
func (d *decoder) follow(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		d.spend(n)
		return deref(n)
	}
	return n
}

// spend counts what a value takes, however often aliases repeat it.
func (d *decoder) spend(n *yaml.Node) bool {
	if d.budget < 0 {
		return false
	}
	d.budget -= len(n.Value) + nodeCost
	if d.budget < 0 {
		d.errorf(n, "the aliases of this file expand to more than %d MiB", newDecoder(d.f).budget>>20)
	}
	return d.budget >= 0
}

// each calls fn for the entries of a mapping, those of its merge keys (<<)
// after its own. Keys have their variables replaced.
func (d *decoder) each(n *yaml.Node, path string, fn func(k, v *yaml.Node)) {
	n = d.follow(n)
	merges := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if !d.spend(k) || !d.spend(v) {
			return
		}
		if isMerge(k) {
			merges = true
			continue
		}
		if k = d.key(k, path); k == nil {
			continue
		}
		d.above = ""
		if i > 1 && isNull(n.Content[i-1]) {
			d.above = n.Content[i-2].Value
		}
		fn(k, v)
	}
	if !merges {
		return
	}
	m := merging{fn: fn, path: path, seen: map[string]bool{}, state: map[*yaml.Node]mergeState{}}
	d.merged(n, &m)
}

// merging is the walk over a mapping and what its merge keys bring in.
type merging struct {
	fn    func(k, v *yaml.Node)
	path  string
	seen  map[string]bool // keys
	state map[*yaml.Node]mergeState
}

type mergeState int

const (
	mergeOpen mergeState = iota + 1 // its merge keys are being followed
	mergeDone                       // a second time it brings nothing new
)

// merged walks n's own entries and then, depth first, those that merge keys
// bring in. The first entry of a key counts. The root's own entries are only
// noted: each has called fn for them.
func (d *decoder) merged(n *yaml.Node, m *merging) {
	root := len(m.state) == 0
	m.state[n] = mergeOpen
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if isMerge(k) {
			continue
		}
		if !d.spend(k) || !d.spend(v) {
			return
		}
		if k = d.key(k, m.path); k != nil && !m.seen[k.Value] {
			m.seen[k.Value] = true
			if !root {
				m.fn(k, v)
			}
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		parts := []*yaml.Node{n.Content[i+1]}
		if list := d.follow(parts[0]); list.Kind == yaml.SequenceNode {
			parts = list.Content
		}
		for _, part := range parts {
			part = d.follow(part)
			switch {
			case part.Kind != yaml.MappingNode:
				d.errorf(n.Content[i], "%s: a merge key wants a mapping or a list of them", m.path)
				return
			case m.state[part] == mergeOpen:
				d.errorf(n.Content[i], "%s: a mapping is merged into itself", m.path)
				return
			case m.state[part] == mergeDone:
				continue
			}
			d.merged(part, m)
		}
	}
	m.state[n] = mergeDone
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && (k.Tag == "" || k.Tag == "!" || k.ShortTag() == "!!merge")
}

// key checks and completes the key of a mapping; nil after an error.
func (d *decoder) key(k *yaml.Node, path string) *yaml.Node {
	k = d.follow(k)
	if k.Kind != yaml.ScalarNode {
		d.errorf(k, "%s: a key must be text, not %s", orRoot(path), kind(k))
		return nil
	}
	d.reveal(k)
	if strings.ContainsAny(k.Value, "\r\n") {
		d.errorf(k, "%s: the key %q has more than one line", orRoot(path), shorten(k.Value))
		return nil
	}
	return k
}

func orRoot(path string) string {
	if path == "" {
		return "stack file"
	}
	return path
}

// reveal replaces the variables in n and reports those that are missing.
func (d *decoder) reveal(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		return
	}
	s := d.f.source(n)
	if s.hidden == nil {
		return
	}
	s.reveal(n, func(n *yaml.Node, v *evaluated) { d.unset(s, n, v) })
}

// unset reports the variables without value and default, each once.
func (d *decoder) unset(s *source, n *yaml.Node, v *evaluated) {
	if s.remote && !d.f.opts.TrustRemote {
		for _, name := range v.names {
			d.f.note("remote " + name)
		}
		return
	}
	for _, u := range v.unset {
		if u.required && !d.f.opts.Strict || !d.f.note("unset "+u.name) {
			continue
		}
		if u.message != "" {
			d.warnf(n, RuleUnsetVariable, "the variable %s is not set: %s", u.name, u.message)
			continue
		}
		d.warnf(n, RuleUnsetVariable, "the variable %s is not set and has no default", u.name)
	}
}

// note remembers a fact and tells whether it is new.
func (f *File) note(fact string) bool {
	if f.reported[fact] {
		return false
	}
	if f.reported == nil {
		f.reported = map[string]bool{}
	}
	f.reported[fact] = true
	return true
}

// warnRemote names the variables that a fetched file was not given.
func (f *File) warnRemote() {
	var names []string
	for fact := range f.reported {
		if name, ok := strings.CutPrefix(fact, "remote "); ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	path := ""
	for _, s := range f.sources {
		if s.remote {
			path = s.path
		}
	}
	f.Warnings = append(f.Warnings, Warning{Position: Position{File: path}, Rule: RuleRemoteVars,
		Message: "variables of a remote stack file count as unset: " + strings.Join(names, ", ")})
}

// text is the text of a scalar of any type; null is empty.
func (d *decoder) text(n *yaml.Node, path string) string {
	n = d.follow(n)
	if n.Kind != yaml.ScalarNode {
		d.wants(n, path, textValue)
		return ""
	}
	d.reveal(n)
	switch n.ShortTag() {
	case "!!null":
		return ""
	case "!!binary":
		if b, err := base64.StdEncoding.DecodeString(n.Value); err == nil {
			return string(b)
		}
	}
	return n.Value
}

// line is a text of one line: a name, a path, an image.
func (d *decoder) line(n *yaml.Node, path string) string {
	s := d.text(n, path)
	if strings.ContainsAny(s, "\r\n") {
		d.errorf(n, "%s: the value %q has more than one line", path, shorten(s))
		return ""
	}
	return s
}

// boolean is a bool by the words of YAML 1.1, quoted or not.
func (d *decoder) boolean(n *yaml.Node, path string) bool {
	s := d.text(n, path)
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y":
		return true
	case "false", "no", "off", "n", "":
		return false
	}
	d.wants(n, path, boolValue)
	return false
}

// lines is a list of one-line texts; nil when there is none. An item that is
// nothing, such as a variable without value, is left out.
func (d *decoder) lines(n *yaml.Node, path string) []string {
	n = d.follow(n)
	if d.isEmpty(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.wants(n, path, listValue)
		return nil
	}
	out := make([]string, 0, len(n.Content))
	for i, c := range n.Content {
		if !d.spend(c) {
			return out
		}
		if c.Kind == yaml.ScalarNode { // the common case, without a path to build
			d.reveal(c)
			if isNull(c) {
				continue
			}
		}
		out = append(out, d.line(c, fmt.Sprintf("%s[%d]", path, i)))
	}
	return out
}

// texts is a mapping of texts; nil when there is none.
func (d *decoder) texts(n *yaml.Node, path string, oneLine bool) map[string]string {
	n = d.follow(n)
	if d.isEmpty(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.wants(n, path, mappingValue)
		return nil
	}
	out := make(map[string]string, len(n.Content)/2)
	d.each(n, path, func(k, v *yaml.Node) {
		if _, ok := out[k.Value]; ok {
			d.rulef(k, RuleDuplicate, "%s: the key %q is given twice", path, k.Value)
			return
		}
		valuePath := path
		if v.Kind != yaml.ScalarNode || oneLine {
			valuePath = path + "." + k.Value
		}
		if oneLine {
			out[k.Value] = d.line(v, valuePath)
		} else {
			out[k.Value] = d.text(v, valuePath)
		}
	})
	return out
}
