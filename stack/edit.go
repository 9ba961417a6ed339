package stack

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/faas-cli/faas-cli/schema"
	"gopkg.in/yaml.v3"
)

// ErrExists says that the stack file has a function of that name already.
var ErrExists = errors.New("the stack file already has a function of that name")

// ErrNoFunction says that the stack file has no function of that name.
var ErrNoFunction = errors.New("the stack file has no function of that name")

// EditError says why a file cannot be changed without harm. Nothing was
// written.
type EditError struct {
	Position
	Reason string
}

// Error begins with the position.
func (e *EditError) Error() string {
	return e.Position.String() + ": cannot be edited safely: " + e.Reason
}

// editor changes a text at the positions of its nodes. Every change is parsed
// again and compared with what it should be, so a wrong guess about where a
// value ends can only lead to a refusal.
type editor struct {
	src   *source
	text  string
	lines []int // offset of each line
	eol   string
}

func newEditor(path string, text []byte) (*editor, error) {
	// With a lookup, ${…} are placeholders, which flow style needs. None is
	// ever replaced here.
	src, err := parseSource(path, text, func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, err
	}
	if src.root != nil && src.root.Kind != yaml.MappingNode && !isNull(src.root) {
		return nil, src.errorf(src.root, "a stack file is a mapping, this is %s", kind(src.root))
	}
	e := &editor{src: src, text: src.text, eol: "\n", lines: []int{0}}
	for i := 0; i < len(e.text); i++ {
		if e.text[i] == '\n' {
			e.lines = append(e.lines, i+1)
		}
	}
	if len(e.lines) > 1 && strings.HasSuffix(e.text[:e.lines[1]], "\r\n") {
		e.eol = "\r\n"
	}
	return e, nil
}

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

// functions is the value of the key functions; nil without one.
func (e *editor) functions() *yaml.Node {
	if i := e.indexOf(e.src.root, "functions"); i >= 0 {
		return e.src.root.Content[i+1]
	}
	return nil
}

// indexOf finds a key as it is written.
func (e *editor) indexOf(n *yaml.Node, key string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if e.written(n.Content[i]) == key {
			return i
		}
	}
	return -1
}

// written is the text of a scalar with its variables as they are written.
func (e *editor) written(n *yaml.Node) string {
	if e.src.hidden.in(n.Value) {
		return e.src.hidden.original(n.Value)
	}
	return n.Value
}

// splice is a replacement of text[start:end].
type splice struct {
	start, end int
	text       string
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

// lastLine is the last line of n, in a block at column, that says something,
// and the line behind all that may belong to it.
func (e *editor) lastLine(n *yaml.Node, column int) (last, end int) {
	end = e.endLine(n)
	for last = end - 1; last > 1; last-- {
		l := e.line(last)
		body := strings.TrimLeft(l, " \t")
		if body != "" && (body[0] != '#' || len(l)-len(body) >= column-1) {
			break
		}
	}
	return last, end
}

// endLine is the line behind the last one that may belong to n: that of the
// next key or item, or the end of the document.
func (e *editor) endLine(n *yaml.Node) int {
	if next, found := following(e.src.root, n); found && next != nil {
		return e.src.originalLine(next.Line)
	}
	return e.documentEnd()
}

// following is the first node behind n and all that is below n, in the order
// of the document. next is nil when there is none.
func following(root, n *yaml.Node) (next *yaml.Node, found bool) {
	if root == n {
		return nil, true
	}
	for i, c := range root.Content {
		if next, found = following(c, n); !found {
			continue
		}
		if next == nil && i+1 < len(root.Content) {
			next = root.Content[i+1]
		}
		return next, true
	}
	return nil, false
}

// documentEnd is the line behind the first document.
func (e *editor) documentEnd() int {
	first := 1
	if e.src.root != nil {
		first = e.src.originalLine(e.src.root.Line) + 1
	} else {
		for n := 1; n <= len(e.lines); n++ {
			if strings.HasPrefix(e.line(n), "---") {
				first = n + 1
				break
			}
		}
	}
	for n := first; n <= len(e.lines); n++ {
		if l := e.line(n); strings.HasPrefix(l, "---") || strings.HasPrefix(l, "...") {
			return n
		}
	}
	if e.lines[len(e.lines)-1] == len(e.text) {
		return len(e.lines) // the text ends with a line end
	}
	return len(e.lines) + 1
}

// lineStart is the offset of line n, that of the text's end if there is none.
func (e *editor) lineStart(n int) int {
	if n-1 < len(e.lines) {
		return e.lines[n-1]
	}
	return len(e.text)
}

// line is line n without its end.
func (e *editor) line(n int) string {
	return strings.TrimRight(e.text[e.lineStart(n):e.lineStart(n+1)], "\r\n")
}

func (e *editor) indentOf(n int) string {
	l := e.line(n)
	return l[:len(l)-len(strings.TrimLeft(l, " "))]
}

// insertLines inserts whole lines before line n. A last line without an end
// gets one, and the text stays without a final one.
func (e *editor) insertLines(n int, text string) splice {
	at := e.lineStart(n)
	if at == len(e.text) && at > 0 && e.text[at-1] != '\n' {
		text = e.eol + strings.TrimSuffix(text, e.eol)
	}
	return splice{at, at, text}
}

// offset is the byte at which n begins.
func (e *editor) offset(n *yaml.Node) int {
	line := e.src.originalLine(n.Line)
	at := e.lineStart(line)
	if at == 0 {
		at = len(byteOrderMark(e.text))
	}
	for column := n.Column; column > 1 && at < len(e.text); column-- {
		_, size := utf8.DecodeRuneInString(e.text[at:])
		at += size
	}
	return at
}

// flowEnd finds where an entry is added to a flow mapping or list: behind its
// last token, with what must stand before the entry.
func (e *editor) flowEnd(n *yaml.Node) (at int, comma string, ok bool) {
	depth, last, lastChar := 0, 0, byte(0)
	text := e.text
	exprEnd := 0
	for i := e.offset(n); i < len(text); i++ {
		c := text[i]
		blankBefore := i == 0 || strings.IndexByte(" \t\r\n", text[i-1]) >= 0
		switch {
		case i < exprEnd:
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '$' && i+1 < len(text) && text[i+1] == '{':
			exprEnd = e.expressionEnd(i)
		case c == '#' && blankBefore:
			if j := strings.IndexByte(text[i:], '\n'); j >= 0 {
				i += j
				continue
			}
			return 0, "", false
		case (c == '"' || c == '\'') && (blankBefore || strings.IndexByte("{[,:", text[i-1]) >= 0):
			if i = quoteEnd(text, i); i < 0 {
				return 0, "", false
			}
			c = text[i]
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				switch lastChar {
				case ',':
					return last + 1, " ", true
				case '{', '[':
					if last == e.offset(n) {
						return last + 1, "", true
					}
				}
				return last + 1, ", ", true
			}
		}
		last, lastChar = i, c
	}
	return 0, "", false
}

// expressionEnd is the end of the ${…} at offset i, i if there is none.
func (e *editor) expressionEnd(i int) int {
	if e.src.hidden == nil {
		return i
	}
	spans := e.src.hidden.spans
	k, found := slices.BinarySearchFunc(spans, i, func(s span, at int) int { return cmp.Compare(s.start, at) })
	if !found {
		return i
	}
	return spans[k].end
}

// quoteEnd is the offset of the quote that ends the scalar beginning at i, -1
// if there is none.
func quoteEnd(text string, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case quote == '\'' && text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == quote:
			return i
		}
	}
	return -1
}

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

func (e *editor) refuse(n *yaml.Node, reason string) *EditError {
	return &EditError{Position: e.src.position(n), Reason: reason}
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
