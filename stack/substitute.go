package stack

import (
	"strings"
	"unicode/utf8"

	"github.com/drone/envsubst"
	"github.com/drone/envsubst/parse"
)

// Substitution works on the text before it is parsed, as it must to leave
// today's files alone (keys, flow style, images), yet no value may turn into
// structure. So every ${…} becomes a placeholder of as many characters, made
// of private-use runes: a plain scalar in any context, which moves nothing to
// another line or column. The text is parsed, and the placeholders in the
// scalars are replaced when a scalar is wanted. In comments nobody looks.
const (
	firstMark  = 0xE000 // candidates for mark and gap
	firstDigit = 0xE100
	digitBase  = 0xF8FF - firstDigit + 1
	// minExpr is the length of the shortest expression, ${}, in characters: a
	// placeholder is a mark, two digits, and gaps.
	minExpr = 3
	// maxExpr bounds one expression, in bytes, so that hostile text costs
	// linear time.
	maxExpr = 64 << 10
)

// placeholders is what hide took out of a text.
type placeholders struct {
	mark, gap rune // neither occurs in the text; a gap stands for nothing
	exprs     []string
	spans     []span // where expressions stand in the original text, in order
	bad       []int  // offsets of each ${ that is no expression, in the original text
	shifts    []lineShift
}

// span is text[start:end].
type span struct{ start, end int }

// lineShift says that the lines after line (of the text with placeholders),
// up to the next shift, are extra lines further down in the original.
type lineShift struct{ line, extra int }

// hide replaces what envsubst would treat specially: ${…} by placeholders,
// and of $$, \\ and \/ one character by a gap. It returns text itself
// and nil when there is nothing to do.
func hide(text string) (string, *placeholders) {
	if !strings.Contains(text, "${") && !strings.Contains(text, "$$") &&
		!strings.Contains(text, `\\`) && !strings.Contains(text, `\/`) {
		return text, nil
	}
	p := &placeholders{}
	p.mark = unusedRune(text, firstMark)
	p.gap = unusedRune(text, p.mark+1)
	h := hider{p: p, text: text, ahead: matchBraces(text), ids: map[string]int{}, line: 1}
	h.out.Grow(len(text) + len(text)/8)
	for i := 0; i < len(text)-1; {
		j := strings.IndexAny(text[i:len(text)-1], "$\\")
		if j < 0 {
			break
		}
		i += j
		switch c, d := text[i], text[i+1]; {
		case c == '$' && d == '{':
			i = h.expression(i)
		case c == '$' && d == '$':
			i = h.dollars(i)
		case c == '\\' && (d == '\\' || d == '/'):
			i = h.escapes(i)
		default:
			i++
		}
	}
	h.copy(len(text))
	return h.out.String(), p
}

// hider is one run of hide. Its methods take the offset of what they hide and
// return where to go on.
type hider struct {
	p     *placeholders
	text  string
	out   strings.Builder
	ahead []bracePair    // from the next ${ on
	ids   map[string]int // of the expressions so far

	failed  int // bytes of text that were tried and are no expression
	written int // text before it is in out
	line    int // of what comes next, in out
	extra   int // lines that placeholders took out so far
}

// copy writes the text up to end as it is.
func (h *hider) copy(end int) {
	part := h.text[h.written:end]
	h.out.WriteString(part)
	h.line += strings.Count(part, "\n")
	h.written = end
}

// expression puts a placeholder for the ${…} at offset at, if it is one.
func (h *hider) expression(at int) int {
	for h.ahead[0].open < at {
		h.ahead = h.ahead[1:]
	}
	end := 0
	if h.failed < 16*len(h.text) {
		end = expression(h.text, at, h.ahead[0].close)
	}
	if end == 0 {
		h.p.bad = append(h.p.bad, at)
		h.failed += max(0, h.ahead[0].close-at)
		return at + 2
	}
	h.copy(at)
	expr := h.text[at:end]
	id, seen := h.ids[expr]
	if !seen {
		id = len(h.p.exprs)
		h.ids[expr] = id
		h.p.exprs = append(h.p.exprs, expr)
	}
	h.p.write(&h.out, id, utf8.RuneCountInString(expr))
	if lines := strings.Count(expr, "\n"); lines > 0 {
		h.extra += lines
		h.p.shifts = append(h.p.shifts, lineShift{line: h.line, extra: h.extra})
	}
	h.p.spans = append(h.p.spans, span{at, end})
	h.written = end
	return end
}

// dollars keeps the first of two dollars, so that no ${ is formed.
func (h *hider) dollars(at int) int {
	h.copy(at + 1)
	h.out.WriteRune(h.p.gap)
	h.written = at + 2
	return h.written
}

// escapes takes the first backslash of each pair. The gaps go before what is
// left of all pairs in a row: between two backslashes one would take YAML's
// escapes apart.
func (h *hider) escapes(at int) int {
	h.copy(at)
	var left []byte
	for ; at+1 < len(h.text) && h.text[at] == '\\' && (h.text[at+1] == '\\' || h.text[at+1] == '/'); at += 2 {
		h.out.WriteRune(h.p.gap)
		left = append(left, h.text[at+1])
	}
	h.out.Write(left)
	h.written = at
	return at
}

// write writes the placeholder of expression id, runes long.
func (p *placeholders) write(out *strings.Builder, id, runes int) {
	out.WriteRune(p.mark)
	out.WriteRune(rune(firstDigit + id/digitBase%digitBase))
	out.WriteRune(rune(firstDigit + id%digitBase))
	for range runes - minExpr {
		out.WriteRune(p.gap)
	}
}

// in says whether s holds placeholders.
func (p *placeholders) in(s string) bool {
	return p != nil && (strings.ContainsRune(s, p.mark) || strings.ContainsRune(s, p.gap))
}

// reveal replaces the placeholders of s by what value returns for their
// expressions.
func (p *placeholders) reveal(s string, value func(id int) string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch r {
		case p.gap:
		case p.mark:
			d1, n1 := utf8.DecodeRuneInString(s[i+n:])
			d0, n0 := utf8.DecodeRuneInString(s[min(i+n+n1, len(s)):])
			if id := int(d1-firstDigit)*digitBase + int(d0-firstDigit); d1 >= firstDigit && d0 >= firstDigit && id < len(p.exprs) {
				b.WriteString(value(id))
				n += n1 + n0
			} else {
				b.WriteRune(r)
			}
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// original restores the text that s, a part of what hide returned, had.
func (p *placeholders) original(s string) string {
	return p.reveal(s, func(id int) string { return p.exprs[id] })
}

// unusedRune returns the first private-use rune from r on that text holds
// neither as it is nor as an escape of a double-quoted scalar.
func unusedRune(text string, r rune) rune {
	hex := strings.Contains(text, `\u`) || strings.Contains(text, `\U`)
	for ; r < firstDigit-1; r++ {
		if strings.ContainsRune(text, r) {
			continue
		}
		if digits := string("0123456789abcdef"[r>>4&15]) + string("0123456789abcdef"[r&15]); hex &&
			(strings.Contains(strings.ToLower(text), `e0`+digits)) {
			continue
		}
		break
	}
	return r
}

// bracePair is a ${ and the } that ends it, counting nested ones; close is 0
// where there is none.
type bracePair struct{ open, close int }

// matchBraces finds every ${ of text, in order, in one pass.
func matchBraces(text string) []bracePair {
	var pairs []bracePair
	var open []int // indices into pairs
	lineStart, lineOpen := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '$':
			if i+1 < len(text) && text[i+1] == '{' {
				open = append(open, len(pairs))
				pairs = append(pairs, bracePair{open: i})
				i++
			}
		case '}':
			if n := len(open); n > 0 {
				pairs[open[n-1]].close = i
				open = open[:n-1]
				lineOpen = min(lineOpen, n-1)
			}
		case '\n':
			// An expression may go on in the next line, unless it stands in
			// a comment: there it must not swallow what follows.
			if len(open) > lineOpen {
				comment := lineStart + commentStart(text[lineStart:i])
				for n := len(open); n > lineOpen && pairs[open[n-1]].open > comment; n-- {
					open = open[:n-1]
				}
			}
			lineStart, lineOpen = i+1, len(open)
		}
	}
	return pairs
}

// commentStart is the offset of the # that begins the comment of a line, the
// length of the line if it has none.
func commentStart(line string) int {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			if i == 0 || strings.IndexByte(" \t[{,:", line[i-1]) >= 0 {
				quote = c
			}
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return i
		}
	}
	return len(line)
}

// expression returns the end of the expression that begins at start, 0 if
// there is none. The matching brace at end is its likely end, but not with
// one in a pattern: ${A/}/x}.
func expression(text string, start, end int) int {
	for range 4 {
		if end <= start || end-start > maxExpr {
			return 0
		}
		if tree, err := parse.Parse(text[start : end+1]); err == nil {
			if _, ok := tree.Root.(*parse.FuncNode); ok {
				return end + 1
			}
			return 0
		}
		next := strings.IndexAny(text[end+1:], "}\n")
		if next < 0 || text[end+1+next] == '\n' {
			return 0
		}
		end += 1 + next
	}
	return 0
}

// malformed says why the text at offset, which begins with ${, is no
// expression.
func malformed(text string, offset int) string {
	rest := text[offset:]
	if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
		rest = rest[:end]
	}
	if len(rest) > maxExpr {
		rest = rest[:maxExpr]
	}
	_, err := parse.Parse(rest)
	switch err {
	case nil, parse.ErrParseFuncSubstitution:
		err = parse.ErrMissingClosingBrace
	}
	return "malformed ${…}: " + err.Error()
}

// variable is one use of a variable that has no value and no default.
type variable struct {
	name     string
	required bool   // written ${NAME:?message}: an empty value counts as none
	message  string // of ${NAME:?message}
}

// evaluator replaces expressions by their values, each computed once.
type evaluator struct {
	p      *placeholders
	lookup func(string) (string, bool)
	values []*evaluated
}

type evaluated struct {
	text  string
	unset []variable
	names []string // variables that were asked for
	own   bool     // all of text stands in the file: no variable had a value
}

func newEvaluator(p *placeholders, lookup func(string) (string, bool)) *evaluator {
	if p == nil {
		return nil
	}
	return &evaluator{p: p, lookup: lookup, values: make([]*evaluated, len(p.exprs))}
}

// value evaluates expression id.
func (e *evaluator) value(id int) *evaluated {
	if v := e.values[id]; v != nil {
		return v
	}
	v := &evaluated{own: true}
	e.values[id] = v
	if tree, err := parse.Parse(e.p.exprs[id]); err == nil {
		e.inspect(tree.Root, v)
	}
	// hide kept only what parses, so neither can fail.
	if t, err := envsubst.Parse(e.p.exprs[id]); err == nil {
		v.text, _ = t.Execute(func(name string) string {
			s, _ := e.lookup(name)
			return s
		})
	}
	return v
}

// inspect notes the variables below n that are asked for, and those without
// value and default.
func (e *evaluator) inspect(n parse.Node, v *evaluated) {
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			e.inspect(c, v)
		}
	case *parse.FuncNode:
		v.names = append(v.names, n.Param)
		s, set := e.lookup(n.Param)
		v.own = v.own && s == ""
		switch n.Name {
		case "=", ":=", ":-", ":+", ":?":
			if s != "" {
				return
			}
			if n.Name == ":?" {
				v.unset = append(v.unset, variable{name: n.Param, required: true, message: plainText(n.Args)})
			}
		default:
			if !set {
				v.unset = append(v.unset, variable{name: n.Param})
			}
		}
		for _, c := range n.Args {
			e.inspect(c, v)
		}
	}
}

// plainText joins the literal parts of nodes.
func plainText(nodes []parse.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		if t, ok := n.(*parse.TextNode); ok {
			b.WriteString(t.Value)
		}
	}
	return b.String()
}
