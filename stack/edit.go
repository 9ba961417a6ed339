package stack

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

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
	text, start := e.text, e.offset(n)
	depth, last, lastChar := 0, 0, byte(0)
	exprEnd := 0
	for i := start; i < len(text); i++ {
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
				return last + 1, separator(lastChar, last == start), true
			}
		}
		last, lastChar = i, c
	}
	return 0, "", false
}

// separator is what stands between the last token of a flow collection and a
// new entry. opening says that the token is the bracket that it begins with.
func separator(last byte, opening bool) string {
	switch {
	case opening:
		return ""
	case last == ',':
		return " "
	}
	return ", "
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

func (e *editor) refuse(n *yaml.Node, reason string) *EditError {
	return &EditError{Position: e.src.position(n), Reason: reason}
}
