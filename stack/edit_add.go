package stack

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// AddFunction returns text with one more function at the end of its functions.
// All other bytes stay. It fails with ErrExists, *SyntaxError or *EditError.
func AddFunction(path string, text []byte, name string, fn schema.Function) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if !utf8.ValidString(fmt.Sprint(fn, fn.Labels, fn.Annotations)) { // YAML has no way to write other bytes
		return nil, fmt.Errorf("add function %q: a value is not UTF-8 text", name)
	}
	e, err := newEditor(path, text)
	if err != nil {
		return nil, err
	}
	functions := e.functions()
	if functions != nil && functions.Kind == yaml.MappingNode {
		if i := e.indexOf(functions, name); i >= 0 {
			return nil, fmt.Errorf("add function %q to %s, line %d: %w", name, path, functions.Content[i].Line, ErrExists)
		}
	}
	expect := func(root *yaml.Node) error { return addNode(root, name, fn) }
	var last error = e.refuse(functions, "functions is no mapping of its own in the file")
	for _, change := range e.additions(functions, name, fn) {
		var out []byte
		if out, last = e.apply(change, expect); last == nil {
			return out, nil
		}
	}
	return nil, last
}

// additions are the places where a function can be added, best first.
func (e *editor) additions(functions *yaml.Node, name string, fn schema.Function) [][]splice {
	switch root := e.src.root; {
	case root == nil || isNull(root) || functions == nil && root.Style&yaml.FlowStyle == 0:
		at := e.documentEnd()
		return [][]splice{{e.insertLines(at, "functions:"+e.eol+block(name, fn, "  ", "  ", e.eol))}}
	case functions == nil:
		if at, comma, ok := e.flowEnd(root); ok {
			quotes := len(root.Content) > 0 && root.Content[0].Style&yaml.DoubleQuotedStyle != 0
			key := "functions"
			if quotes {
				key = quoted(key)
			}
			return [][]splice{{{at, at, comma + key + ": {" + flow(name, fn, quotes) + "}"}}}
		}
		return nil
	case isNull(functions):
		return e.fillEmpty(e.src.root, functions, e.functionBlock(name, fn))
	case functions.Kind != yaml.MappingNode:
		return nil
	case functions.Style&yaml.FlowStyle == 0:
		return e.addBlock(functions, e.functionBlock(name, fn))
	case len(functions.Content) == 0 && e.src.root.Style&yaml.FlowStyle == 0:
		return e.fillEmpty(e.src.root, functions, e.functionBlock(name, fn))
	default:
		if at, comma, ok := e.flowEnd(functions); ok {
			quotes := len(functions.Content) > 0 && functions.Content[0].Style&yaml.DoubleQuotedStyle != 0 ||
				len(functions.Content) == 0 && e.src.root.Content[0].Style&yaml.DoubleQuotedStyle != 0
			return [][]splice{{{at, at, comma + flow(name, fn, quotes)}}}
		}
	}
	return nil
}

// functionBlock makes the text of a function at some indentation.
func (e *editor) functionBlock(name string, fn schema.Function) func(indent, step string) string {
	return func(indent, step string) string { return block(name, fn, indent, step, e.eol) }
}

// fillEmpty puts a block in place of value, which is nothing or {}, in the
// block mapping parent. A comment behind it stays where it is.
func (e *editor) fillEmpty(parent, value *yaml.Node, text func(indent, step string) string) [][]splice {
	i := slices.Index(parent.Content, value)
	line := e.src.originalLine(parent.Content[i-1].Line)
	insert := e.insertLines(line+1, text(e.indentOf(line)+"  ", "  "))
	start, end := e.offset(value), 0
	switch {
	case value.Kind == yaml.MappingNode:
		at, _, ok := e.flowEnd(value)
		if !ok {
			return nil
		}
		end = at + strings.IndexByte(e.text[at:], '}') + 1
	case value.Value == "":
		return [][]splice{{insert}}
	default:
		end = start + len(e.written(value))
	}
	if end > insert.start {
		return nil
	}
	if strings.TrimSpace(e.text[end:e.lineStart(line+1)]) == "" {
		start = len(strings.TrimRight(e.text[:start], " "))
	}
	return [][]splice{{{start, end, ""}, insert}}
}

// addBlock adds an entry to a block mapping that has some: behind the last
// line that belongs to it, or, should its last value need the blank lines that
// follow, behind those.
func (e *editor) addBlock(m *yaml.Node, entry func(indent, step string) string) [][]splice {
	column := m.Content[0].Column
	step := "  "
	if body := m.Content[1]; body.Kind == yaml.MappingNode && body.Style&yaml.FlowStyle == 0 &&
		len(body.Content) > 0 && body.Content[0].Column > column {
		step = strings.Repeat(" ", body.Content[0].Column-column)
	}
	text := entry(strings.Repeat(" ", column-1), step)
	last, end := e.lastLine(m, column)
	out := [][]splice{{e.insertLines(last+1, text)}}
	if last+1 != end {
		out = append(out, []splice{e.insertLines(end, text)})
	}
	return out
}

// addNode does to nodes what AddFunction does to the text.
func addNode(root *yaml.Node, name string, fn schema.Function) error {
	s, err := parseSource("", []byte(block(name, fn, "", "  ", "\n")), func(string) (string, bool) { return "", false })
	if err != nil {
		return fmt.Errorf("write function %q: %w", name, err)
	}
	entry := s.plain(s.root).Content
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "functions" {
			continue
		}
		old := root.Content[i+1]
		if old.Kind != yaml.MappingNode {
			old = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Anchor: old.Anchor}
			root.Content[i+1] = old
		}
		old.Content = slices.Concat(old.Content, entry)
		return nil
	}
	root.Tag = "!!map"
	root.Content = append(root.Content,
		&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "functions"},
		&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: entry})
	return nil
}
