package stack

import (
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// apply makes the changes, parses the result and compares it with the old
// nodes after expect has changed those likewise.
func (e *editor) apply(changes []splice, expect func(root *yaml.Node) error) ([]byte, error) {
	out, _, err := e.applyParsed(changes, expect)
	return out, err
}

// applyParsed is apply that also returns the parsed result.
func (e *editor) applyParsed(changes []splice, expect func(root *yaml.Node) error) ([]byte, *source, error) {
	sort.Slice(changes, func(i, j int) bool { return changes[i].start < changes[j].start })
	var b strings.Builder
	at := 0
	for _, c := range changes {
		if c.start < at {
			return nil, nil, e.refuse(nil, "the places to change overlap")
		}
		b.WriteString(e.text[at:c.start])
		b.WriteString(c.text)
		at = c.end
	}
	b.WriteString(e.text[at:])
	out := []byte(b.String())
	after, err := parseSource(e.src.path, out, func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, nil, e.refuse(nil, "the result would not be a valid file")
	}
	before := &yaml.Node{Kind: yaml.MappingNode}
	if e.src.root != nil && !isNull(e.src.root) {
		before = e.src.plain(e.src.root)
	}
	if err := expect(before); err != nil {
		return nil, nil, err
	}
	if after.root == nil {
		return nil, nil, e.refuse(nil, "the result would be empty")
	}
	if n := difference(before, after.plain(after.root)); n != nil {
		return nil, nil, e.refuse(n, "another part of the file would change as well")
	}
	return out, after, nil
}

// plain is a copy of n in which the placeholders are the original text again.
func (s *source) plain(n *yaml.Node) *yaml.Node {
	c := *n
	if s.hidden.in(c.Value) {
		c.Value = s.hidden.original(c.Value)
	}
	if len(n.Content) > 0 {
		c.Content = make([]*yaml.Node, len(n.Content))
		for i, child := range n.Content {
			c.Content[i] = s.plain(child)
		}
	}
	return &c
}

// difference is the first node of a that b does not have in the same place,
// nil if they say the same. Comments and positions do not count.
func difference(a, b *yaml.Node) *yaml.Node {
	if a.Kind != b.Kind || a.Value != b.Value || a.Tag != b.Tag && a.ShortTag() != b.ShortTag() ||
		a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return a
	}
	for i := range a.Content {
		if n := difference(a.Content[i], b.Content[i]); n != nil {
			return n
		}
	}
	return nil
}

// setNode does to nodes what Set does to the text.
func setNode(root *yaml.Node, keys []string, value *yaml.Node) error {
	m := root
	for depth, key := range keys {
		i := -1
		for j := 0; j+1 < len(m.Content); j += 2 {
			if m.Content[j].Value == key {
				i = j
			}
		}
		if i < 0 {
			k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
			m.Content = append(m.Content, k, &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
			i = len(m.Content) - 2
		}
		if depth == len(keys)-1 {
			m.Content[i+1] = value
			return nil
		}
		if m.Content[i+1].Kind != yaml.MappingNode {
			m.Content[i+1] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		m = m.Content[i+1]
	}
	return nil
}
