package stack

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// RenameFunction returns text with a function called by another name; all
// other bytes stay. It fails with ErrNoFunction, ErrExists, *SyntaxError or
// *EditError.
func RenameFunction(path string, text []byte, from, to string) ([]byte, error) {
	if err := CheckName(to); err != nil {
		return nil, err
	}
	e, functions, i, err := openFunction(path, text, from)
	if err != nil {
		return nil, err
	}
	if j := e.indexOf(functions, to); j >= 0 {
		return nil, fmt.Errorf("rename to %q: %w", to, ErrExists)
	}
	key := functions.Content[i]
	start, end, ok := e.scalarSpan(key)
	if !ok {
		return nil, e.refuse(key, "where the name ends is not clear")
	}
	name := scalar(to, true)
	if key.Style&yaml.DoubleQuotedStyle != 0 {
		name = quoted(to)
	}
	return e.apply([]splice{{start, end, name}}, func(root *yaml.Node) error {
		k := root.Content[e.indexOf(root, "functions")+1].Content[i]
		k.Value, k.Tag = to, "!!str"
		return nil
	})
}

// RemoveFunction returns text without a function. Comments above it stay, as
// do all other bytes. It fails with ErrNoFunction, *SyntaxError or *EditError.
func RemoveFunction(path string, text []byte, name string) ([]byte, error) {
	e, functions, i, err := openFunction(path, text, name)
	if err != nil {
		return nil, err
	}
	changes, ok := e.removal(functions, i)
	if !ok {
		return nil, e.refuse(functions.Content[i], "where the function begins or ends is not clear")
	}
	if anchor := anchorBelow(functions.Content[i+1]); anchor != nil && e.usedElsewhere(functions.Content[i+1], anchor.Anchor) {
		return nil, e.anchorInUse(anchor)
	}
	return e.apply(changes, func(root *yaml.Node) error {
		f := root.Content[e.indexOf(root, "functions")+1]
		f.Content = slices.Delete(f.Content, i, i+2)
		return nil
	})
}

// openFunction finds a function to change: it is functions.Content[i+1].
func openFunction(path string, text []byte, name string) (e *editor, functions *yaml.Node, i int, err error) {
	if e, err = newEditor(path, text); err != nil {
		return nil, nil, 0, err
	}
	functions = e.functions()
	if functions != nil && functions.Kind == yaml.AliasNode {
		return nil, nil, 0, e.refuse(functions, "functions is an alias")
	}
	if i = e.indexOf(functions, name); i < 0 {
		return nil, nil, 0, fmt.Errorf("%s: function %q: %w", path, name, ErrNoFunction)
	}
	return e, functions, i, nil
}

// removal is what to cut so that entry i of m disappears.
func (e *editor) removal(m *yaml.Node, i int) ([]splice, bool) {
	if m.Style&yaml.FlowStyle != 0 {
		cut, ok := e.flowRemoval(m, i)
		return []splice{cut}, ok
	}
	key := m.Content[i]
	line := e.src.originalLine(key.Line)
	start := e.lineStart(line)
	if strings.TrimLeft(e.text[start:e.offset(key)], " ") != "" {
		return nil, false // the key is not the first of its line
	}
	last, _ := e.lastLine(m.Content[i+1], key.Column)
	// A comment in the key's column belongs to what follows.
	for ; last > line; last-- {
		if l := strings.TrimLeft(e.line(last), " \t"); l != "" && (l[0] != '#' || len(e.line(last))-len(l) > key.Column-1) {
			break
		}
	}
	changes := []splice{{start, e.lineStart(last + 1), ""}}
	if len(m.Content) == 2 { // the only one
		at, ok := e.emptyMapping(m)
		if !ok {
			return nil, false
		}
		changes = append(changes, splice{at, at, " {}"})
	}
	return changes, true
}

// flowRemoval is removal in a flow mapping.
func (e *editor) flowRemoval(m *yaml.Node, i int) (splice, bool) {
	start := e.offset(m.Content[i])
	if i+2 < len(m.Content) {
		return splice{start, e.offset(m.Content[i+2]), ""}, true
	}
	end, _, ok := e.flowEnd(m)
	if !ok || len(m.Content) == 2 {
		return splice{start, end, ""}, ok
	}
	comma := strings.TrimRight(e.text[:start], " \t\r\n")
	if !strings.HasSuffix(comma, ",") {
		return splice{}, false // a comment is between
	}
	return splice{len(comma) - 1, end, ""}, true
}

// emptyMapping is where {} is written once functions, m, has no entry left:
// behind its key, and its anchor if it has one.
func (e *editor) emptyMapping(m *yaml.Node) (at int, ok bool) {
	owner := e.src.root.Content[e.indexOf(e.src.root, "functions")]
	_, end, ok := e.scalarSpan(owner)
	if !ok {
		return 0, false
	}
	colon := strings.IndexByte(e.text[end:], ':')
	if colon < 0 {
		return 0, false
	}
	at = end + colon + 1
	if m.Anchor != "" {
		if j := strings.Index(e.text[at:], "&"+m.Anchor); j >= 0 {
			at += j + 1 + len(m.Anchor)
		}
	}
	return at, true
}

// anchorInUse refuses to change a value that others refer to.
func (e *editor) anchorInUse(n *yaml.Node) *EditError {
	return e.refuse(n, fmt.Sprintf("its anchor %q is used elsewhere", n.Anchor))
}

// anchorBelow is a node at or below n that has an anchor.
func anchorBelow(n *yaml.Node) *yaml.Node {
	if n.Anchor != "" {
		return n
	}
	for _, c := range n.Content {
		if a := anchorBelow(c); a != nil {
			return a
		}
	}
	return nil
}

// usedElsewhere tells whether an alias outside n has the name.
func (e *editor) usedElsewhere(n *yaml.Node, name string) bool {
	var walk func(*yaml.Node) bool
	walk = func(x *yaml.Node) bool {
		if x == n {
			return false
		}
		return x.Kind == yaml.AliasNode && x.Value == name || slices.ContainsFunc(x.Content, walk)
	}
	return walk(e.src.root)
}

// scalarSpan is where the text of a scalar that fits one line, or is quoted,
// stands.
func (e *editor) scalarSpan(n *yaml.Node) (start, end int, ok bool) {
	if n.Kind != yaml.ScalarNode {
		return 0, 0, false
	}
	start = e.offset(n)
	rest := e.text[start:]
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, 0, false
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
			i := strings.IndexAny(rest, `"'`)
			if i < 0 {
				return 0, 0, false
			}
			start += i
		}
		end = quoteEnd(e.text, start)
		return start, end + 1, end > start
	case n.Style&yaml.TaggedStyle != 0:
		return 0, 0, false
	case n.Anchor != "":
		rest = strings.TrimLeft(strings.TrimPrefix(rest, "&"+n.Anchor), " ")
		start = len(e.text) - len(rest)
	}
	text := e.written(n)
	if !strings.HasPrefix(rest, text) {
		return 0, 0, false // folded over several lines, or with escapes in it
	}
	return start, start + len(text), true
}
