package stack

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// source is one parsed file. Its nodes hold the text with placeholders; text
// is the original.
type source struct {
	path   string
	text   string
	hidden *placeholders // nil: nothing was replaced
	root   *yaml.Node    // the first document's node; nil in an empty file
	remote bool

	eval     *evaluator
	revealed map[*yaml.Node]bool // of each whether all of its text stands in the file
}

// parseSource parses text, in which variables are replaced unless lookup is
// nil. Errors are *SyntaxError.
func parseSource(path string, text []byte, lookup func(string) (string, bool)) (*source, error) {
	s := &source{path: path, text: string(text)}
	parsed := s.text
	if lookup != nil {
		parsed, s.hidden = hide(s.text)
		s.eval = newEvaluator(s.hidden, lookup)
	}
	if !utf8.ValidString(parsed) {
		return nil, &SyntaxError{Position: s.invalidUTF8(), Rule: RuleSyntax, Message: "not UTF-8 text"}
	}
	var doc yaml.Node
	if err := unmarshal([]byte(parsed), &doc); err != nil {
		return nil, s.syntaxError(err)
	}
	if len(doc.Content) > 0 {
		s.root = doc.Content[0]
	}
	if s.hidden != nil && len(s.hidden.bad) > 0 && s.root != nil {
		if err := s.checkMalformed(s.root); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// unmarshal parses the first document of text. A panic of the parser, of
// which fuzzing knows some, becomes an error.
func unmarshal(text []byte, doc *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return yaml.Unmarshal(text, doc)
}

// syntaxError turns an error of the YAML parser into one with a position.
func (s *source) syntaxError(err error) *SyntaxError {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	pos := Position{File: s.path}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				pos.Line, message = n, text
			}
		}
	}
	if s.hidden != nil {
		message = s.hidden.original(message)
	}
	if found, cause := findMistake(s.text); cause != "" {
		found.File = s.path
		return &SyntaxError{Position: found, Rule: RuleSyntax, Message: cause + " (" + message + ")"}
	}
	if pos.Line == 0 {
		pos.Line = 1
	}
	pos.Line = s.originalLine(pos.Line)
	pos.Column = firstColumn(s.text, pos.Line)
	return &SyntaxError{Position: pos, Rule: RuleSyntax, Message: message}
}

// firstColumn is the column of the first character of a line that is not
// blank.
func firstColumn(text string, line int) int {
	l := lineOf(text, line)
	return len(l) - len(strings.TrimLeft(l, " \t")) + 1
}

// lineOf is line number n of text, from 1, without its end.
func lineOf(text string, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(text, '\n')
		if i < 0 {
			return ""
		}
		text = text[i+1:]
	}
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, "\r")
}

func (s *source) invalidUTF8() Position {
	line, rest := 1, s.text
	for rest != "" {
		r, n := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		rest = rest[n:]
	}
	return Position{File: s.path, Line: line, Column: 1}
}

// originalLine maps a line of the parsed text to one of the original.
func (s *source) originalLine(line int) int {
	if s.hidden == nil {
		return line
	}
	shifts := s.hidden.shifts
	if i := sort.Search(len(shifts), func(i int) bool { return shifts[i].line >= line }); i > 0 {
		return line + shifts[i-1].extra
	}
	return line
}

// position is where n stands.
func (s *source) position(n *yaml.Node) Position {
	if n == nil {
		return Position{File: s.path}
	}
	return Position{File: s.path, Line: s.originalLine(n.Line), Column: n.Column}
}

// positionAt is the place of a byte of the original text.
func (s *source) positionAt(offset int) Position {
	before := s.text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return Position{
		File:   s.path,
		Line:   strings.Count(before, "\n") + 1,
		Column: utf8.RuneCountInString(before[start:]) + 1,
	}
}

// errorf is a *SyntaxError at n.
func (s *source) errorf(n *yaml.Node, format string, args ...any) *SyntaxError {
	return &SyntaxError{Position: s.position(n), Rule: RuleSchema, Message: fmt.Sprintf(format, args...)}
}

// checkMalformed finds a scalar that holds one of the malformed ${; those that
// no scalar holds stand in comments, where they do no harm.
func (s *source) checkMalformed(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") {
		// The scalar's text begins at its position; of the malformed
		// expressions from there on, the first is its own.
		begin := s.offset(n)
		if i := sort.SearchInts(s.hidden.bad, begin); i < len(s.hidden.bad) {
			at := s.hidden.bad[i]
			return &SyntaxError{Position: s.positionAt(at), Rule: RuleVariable, Message: malformed(s.text, at)}
		}
	}
	for _, c := range n.Content {
		if err := s.checkMalformed(c); err != nil {
			return err
		}
	}
	return nil
}

// offset is the byte of the original text at which n begins.
func (s *source) offset(n *yaml.Node) int {
	return offsetOf(s.text, s.originalLine(n.Line), n.Column)
}

// offsetOf is the byte at which a line and column of text are.
func offsetOf(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	if at == 0 {
		at = len(byteOrderMark(text))
	}
	for ; column > 1 && at < len(text) && text[at] != '\n'; column-- {
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at
}

// byteOrderMark is the mark that text begins with, if it does.
func byteOrderMark(text string) string {
	const mark = "\ufeff"
	if strings.HasPrefix(text, mark) {
		return mark
	}
	return ""
}

// reveal replaces the variables in the scalar n, once, and gives an unquoted
// scalar the type of its final text. A text that stands in the file, as
// defaults do, is read as YAML: it may have quotes. report is called for each
// variable that has neither value nor default.
func (s *source) reveal(n *yaml.Node, report func(*yaml.Node, *evaluated)) {
	if _, done := s.revealed[n]; done || !s.hidden.in(n.Value) {
		return
	}
	if s.revealed == nil {
		s.revealed = map[*yaml.Node]bool{}
	}
	own := true
	n.Value = s.hidden.reveal(n.Value, func(id int) string {
		v := s.eval.value(id)
		if report != nil {
			report(n, v)
		}
		own = own && v.own
		return v.text
	})
	s.revealed[n] = own
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return
	}
	n.Value = strings.Trim(n.Value, " \t")
	n.Tag = ""
	if v := s.ownValue(n); v != nil && v.Kind == yaml.ScalarNode {
		n.Value, n.Style, n.Tag = v.Value, v.Style, v.Tag
	}
	n.Tag = n.ShortTag()
}

// ownValue is what the text of n, which reveal completed, is as YAML; nil when
// it is just that text or when a variable had a part in it.
func (s *source) ownValue(n *yaml.Node) *yaml.Node {
	if !s.revealed[n] || n.Style != 0 || plainSafe(n.Value, false) {
		return nil
	}
	var doc yaml.Node
	if err := unmarshal([]byte("v: "+n.Value), &doc); err != nil {
		return nil
	}
	if root := doc.Content[0]; root.Kind == yaml.MappingNode && len(root.Content) == 2 {
		return root.Content[1]
	}
	return nil
}

// isYAMLName tells whether a file name ends as YAML files do.
func isYAMLName(name string) bool {
	return strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml")
}

// declaresProvider tells cheaply and without errors whether text is a stack
// file: one whose top level has provider.name openfaas. A file that is not
// valid YAML counts when its lines say so, that its mistake may be reported.
func declaresProvider(text []byte) bool {
	if !bytes.Contains(text, []byte("provider")) || !bytes.Contains(text, []byte("openfaas")) {
		return false
	}
	hidden, _ := hide(string(text))
	var doc yaml.Node
	if err := unmarshal([]byte(hidden), &doc); err != nil {
		return linesDeclareProvider(string(text))
	}
	if len(doc.Content) == 0 {
		return false
	}
	provider := child(doc.Content[0], "provider")
	name := child(provider, "name")
	return name != nil && name.Kind == yaml.ScalarNode && name.Value == "openfaas"
}

func linesDeclareProvider(text string) bool {
	inside := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "provider:"):
			inside = true
		case inside && trimmed != "" && line[0] != ' ' && line[0] != '\t':
			inside = false
		case inside && (trimmed == "name: openfaas" || trimmed == `name: "openfaas"`):
			return true
		}
	}
	return false
}

// child is the value under key of a mapping, resolved through aliases; nil if
// there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	n = deref(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return deref(n.Content[i+1])
		}
	}
	return nil
}

// deref follows aliases.
func deref(n *yaml.Node) *yaml.Node {
	for range 100 {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}
