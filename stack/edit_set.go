package stack

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/internal/spelling"
)

// Set returns text with a value changed or added; all other bytes stay. The
// path is that of a text, boolean, list or map entry:
//
//	functions.NAME.image
//	functions.NAME.environment.KEY
//	functions.NAME.labels.com.openfaas.scale.min
//	functions.NAME.secrets             values separated by commas
//	provider.gateway
//
// It fails with ErrNoFunction, *SyntaxError or *EditError, or when the value
// would make the file invalid.
func Set(path string, text []byte, key, value string) ([]byte, error) {
	keys, kind, err := splitPath(key)
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(key) || !utf8.ValidString(value) {
		return nil, fmt.Errorf("set %q: the value is not UTF-8 text", key)
	}
	e, err := newEditor(path, text)
	if err != nil {
		return nil, err
	}
	node, err := valueNode(kind, value)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", key, err)
	}
	if keys[0] == "functions" && e.indexOf(e.functions(), keys[1]) < 0 {
		return nil, fmt.Errorf("%s: function %q: %w", path, keys[1], ErrNoFunction)
	}
	out, after, err := e.set(keys, node)
	if err != nil {
		return nil, err
	}
	// A value may be well formed and still wrong: another version, say. A file
	// that was wrong before may be fixed bit by bit.
	name := ""
	if keys[0] == "functions" {
		name = keys[1]
	}
	if wrong := check(after, name); wrong != nil && check(e.src, name) == nil {
		return nil, fmt.Errorf("set %s: %w", key, wrong)
	}
	return out, nil
}

// check decodes a source, of the functions only one, with all variables unset.
func check(s *source, function string) error {
	f := &File{Paths: []string{s.path}, sources: []*source{s}}
	err := f.decode(func(name string) bool { return name == function })
	if errors.Is(err, ErrNoMatch) {
		return nil
	}
	return err
}

// valueKind is the kind of value that a key wants.
type valueKind int

const (
	textValue valueKind = iota
	plainValue
	boolValue
	listValue
	mappingValue
)

// splitPath takes a path apart. Keys of maps may hold dots.
func splitPath(path string) ([]string, valueKind, error) {
	keys := strings.Split(path, ".")
	bad := func(why string) ([]string, valueKind, error) {
		return nil, 0, fmt.Errorf("path %q: %s", path, why)
	}
	if slices.Contains(keys, "") {
		return bad("a key is empty")
	}
	switch {
	case path == "version":
		return keys, plainValue, nil
	case path == "provider.name", path == "provider.gateway":
		return keys, textValue, nil
	case path == "configuration.copy":
		return keys, listValue, nil
	case keys[0] != "functions":
		return bad("want functions.NAME.KEY, provider.gateway, version or configuration.copy")
	case len(keys) < 3:
		return bad("want functions.NAME.KEY")
	}
	field, rest := keys[2], keys[3:]
	one := func(kind valueKind) ([]string, valueKind, error) {
		if len(rest) > 0 {
			return bad(field + " has no keys below it")
		}
		return keys, kind, nil
	}
	switch field {
	case "lang", "handler", "image", "fprocess", "namespace", "platforms":
		return one(textValue)
	case "skip_build", "readonly_root_filesystem":
		return one(boolValue)
	case "environment_file", "secrets", "constraints", "build_options":
		return one(listValue)
	case "environment", "labels", "annotations", "build_args", "build_secrets":
		if len(rest) == 0 {
			return bad("want the key of an entry, " + path + ".KEY")
		}
		return []string{keys[0], keys[1], field, strings.Join(rest, ".")}, textValue, nil
	case "limits", "requests":
		if len(rest) != 1 || rest[0] != "memory" && rest[0] != "cpu" {
			return bad("want " + field + ".memory or " + field + ".cpu")
		}
		return keys, plainValue, nil
	}
	if near := spelling.Nearest(field, functionKeys()); near != "" {
		return bad(fmt.Sprintf("unknown key %q, did you mean %q?", field, near))
	}
	return bad(fmt.Sprintf("unknown key %q", field))
}

// valueNode is the node that value is to be read back as.
func valueNode(kind valueKind, value string) (*yaml.Node, error) {
	text := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
	switch kind {
	case boolValue:
		if value != "true" && value != "false" {
			return nil, fmt.Errorf("want true or false, not %q", value)
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: value}, nil
	case listValue:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		inner := strings.TrimSpace(value)
		if cut, ok := strings.CutPrefix(inner, "["); ok {
			inner = strings.TrimSuffix(cut, "]")
		}
		for item := range strings.SplitSeq(inner, ",") {
			if item = strings.TrimSpace(item); item != "" {
				n.Content = append(n.Content, text(item))
			}
		}
		return n, nil
	case plainValue:
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
		if plainSafe(value, true) {
			n.Tag = n.ShortTag()
			return n, nil
		}
	}
	return text(value), nil
}

// render writes a value on one line.
func render(n *yaml.Node, inFlow bool) string {
	if n.Kind == yaml.SequenceNode {
		items := make([]string, len(n.Content))
		for i, c := range n.Content {
			items[i] = scalar(c.Value, true)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	if n.Tag == "!!str" {
		return scalar(n.Value, inFlow)
	}
	return n.Value
}

// set changes the value at keys or adds it, with the mappings that it needs.
func (e *editor) set(keys []string, value *yaml.Node) ([]byte, *source, error) {
	m := e.src.root
	if m == nil || m.Kind != yaml.MappingNode {
		return nil, nil, e.refuse(m, "it has no keys")
	}
	for depth, key := range keys {
		i := e.indexOf(m, key)
		if i < 0 {
			return e.tryAll(m, e.insertions(m, keys[depth:], value), keys, value)
		}
		child := m.Content[i+1]
		if child.Kind == yaml.AliasNode {
			return nil, nil, e.refuse(child, fmt.Sprintf("%s is an alias", strings.Join(keys[:depth+1], ".")))
		}
		if depth == len(keys)-1 {
			if child.Anchor != "" && e.usedElsewhere(child, child.Anchor) {
				return nil, nil, e.anchorInUse(child)
			}
			return e.tryAll(child, e.replacements(m, i, value), keys, value)
		}
		if child.Kind != yaml.MappingNode || len(child.Content) == 0 {
			if child.Kind != yaml.MappingNode && !isNull(child) {
				return nil, nil, e.refuse(child, fmt.Sprintf("%s is %s", strings.Join(keys[:depth+1], "."), kind(child)))
			}
			if m.Style&yaml.FlowStyle == 0 {
				return e.tryAll(child, e.fillEmpty(m, child, e.entry(keys[depth+1:], value)), keys, value)
			}
			if child.Kind != yaml.MappingNode {
				return nil, nil, e.refuse(child, strings.Join(keys[:depth+1], ".")+" has no value")
			}
		}
		m = child
	}
	return nil, nil, errors.New("the path is empty")
}

// tryAll makes the first of the changes that turns out right.
func (e *editor) tryAll(at *yaml.Node, changes [][]splice, keys []string, value *yaml.Node) ([]byte, *source, error) {
	want, err := parseSource("", []byte("v: "+render(value, false)), func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, nil, fmt.Errorf("the value cannot be written: %w", err)
	}
	value = want.plain(want.root.Content[1])
	value.Line, value.Column = at.Line, at.Column
	if at.Kind == yaml.ScalarNode && value.Kind == yaml.ScalarNode {
		value.Anchor = at.Anchor
	}
	var last error = e.refuse(at, "where the value ends is not clear")
	for _, c := range changes {
		out, after, err := e.applyParsed(c, func(root *yaml.Node) error { return setNode(root, keys, value) })
		if err == nil {
			return out, after, nil
		}
		last = err
	}
	return nil, nil, last
}

// insertions are the ways to add an entry to a mapping that lacks it.
func (e *editor) insertions(m *yaml.Node, keys []string, value *yaml.Node) [][]splice {
	if m.Style&yaml.FlowStyle == 0 {
		return e.addBlock(m, e.entry(keys, value))
	}
	at, comma, ok := e.flowEnd(m)
	if !ok {
		return nil
	}
	text := render(value, true)
	for i := len(keys) - 1; i >= 0; i-- {
		text = scalar(keys[i], true) + ": " + text
		if i > 0 {
			text = "{" + text + "}"
		}
	}
	return [][]splice{{{at, at, comma + text}}}
}

// entry makes the lines of a value below its keys.
func (e *editor) entry(keys []string, value *yaml.Node) func(indent, step string) string {
	return func(indent, step string) string {
		var b strings.Builder
		for i, key := range keys {
			b.WriteString(indent + scalar(key, false) + ":")
			if i < len(keys)-1 {
				b.WriteString(e.eol)
				indent += step
			}
		}
		if value.Kind == yaml.SequenceNode && len(value.Content) > 0 {
			for _, c := range value.Content {
				b.WriteString(e.eol + indent + step + "- " + scalar(c.Value, false))
			}
		} else {
			b.WriteString(" " + render(value, false))
		}
		return b.String() + e.eol
	}
}

// replacements are the ways to change the value of entry i of m.
func (e *editor) replacements(m *yaml.Node, i int, value *yaml.Node) [][]splice {
	key, old := m.Content[i], m.Content[i+1]
	inFlow := m.Style&yaml.FlowStyle != 0
	text := render(value, inFlow)
	if start, end, ok := e.scalarSpan(old); ok && value.Kind == yaml.ScalarNode {
		if start == end { // nothing stands there
			if _, keyEnd, ok := e.scalarSpan(key); ok {
				colon := strings.IndexByte(e.text[keyEnd:], ':')
				at := keyEnd + colon + 1
				return [][]splice{{{at, at, " " + text}}}
			}
		}
		switch {
		case value.Tag != "!!str": // as it is
		case old.Style&yaml.DoubleQuotedStyle != 0:
			text = quoted(value.Value)
		case old.Style&yaml.SingleQuotedStyle != 0 && !strings.ContainsAny(value.Value, "'\\\n\r"):
			text = "'" + value.Value + "'"
		}
		return [][]splice{{{start, end, text}}}
	}
	if (old.Kind == yaml.SequenceNode || old.Kind == yaml.MappingNode) && old.Style&yaml.FlowStyle != 0 && old.Anchor == "" {
		if end := e.flowClose(old); end > 0 {
			return [][]splice{{{e.offset(old), end, text}}}
		}
	}
	if inFlow {
		return nil
	}
	line := e.src.originalLine(key.Line)
	if strings.TrimLeft(e.text[e.lineStart(line):e.offset(key)], " ") != "" {
		return nil
	}
	var out [][]splice
	if items, ok := e.itemLines(line, old, value); ok {
		out = append(out, []splice{items})
	}
	// The value's lines are replaced as a whole.
	last, end := e.lastLine(old, key.Column+1)
	indent := strings.Repeat(" ", key.Column-1)
	_, keyEnd, ok := e.scalarSpan(key)
	if !ok {
		return nil
	}
	lines := e.entry([]string{e.written(key)}, value)(indent, "  ")
	lines = strings.TrimPrefix(lines, indent+scalar(e.written(key), false))
	out = append(out, []splice{{keyEnd, e.lineStart(last + 1), lines}})
	if end > last+1 {
		out = append(out, []splice{{keyEnd, e.lineStart(end), lines}})
	}
	return out
}

// itemLines replaces the lines of a list in block style, below the line of its
// key. Items that stay keep theirs, with the comments above and behind.
func (e *editor) itemLines(keyLine int, old, value *yaml.Node) (s splice, ok bool) {
	if old.Kind != yaml.SequenceNode || value.Kind != yaml.SequenceNode || len(value.Content) == 0 ||
		old.Style&yaml.FlowStyle != 0 || old.Anchor != "" {
		return s, false
	}
	indent, line := "", keyLine
	staying := map[string]string{}
	for _, item := range old.Content {
		begin := e.lineStart(line + 1)
		line = e.src.originalLine(item.Line)
		before, _, dash := strings.Cut(e.line(line), "-")
		if _, _, ok := e.scalarSpan(item); !ok || !dash || strings.Trim(before, " ") != "" {
			return s, false
		}
		indent = before
		staying[e.written(item)] = strings.TrimSuffix(e.text[begin:e.lineStart(line+1)], e.eol) + e.eol
	}
	var b strings.Builder
	for _, item := range value.Content {
		if text, ok := staying[item.Value]; ok {
			b.WriteString(text)
			continue
		}
		b.WriteString(indent + "- " + scalar(item.Value, false) + e.eol)
	}
	return splice{e.lineStart(keyLine + 1), e.lineStart(line + 1), b.String()}, true
}

// flowClose is the offset behind the bracket that ends a flow value, 0 if it
// cannot be told.
func (e *editor) flowClose(n *yaml.Node) int {
	at, _, ok := e.flowEnd(n)
	if !ok {
		return 0
	}
	for i := at; i < len(e.text); i++ {
		switch e.text[i] {
		case '}', ']':
			return i + 1
		case '#': // a comment before the bracket would be lost
			return 0
		}
	}
	return 0
}
