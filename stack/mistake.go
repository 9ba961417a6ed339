package stack

import (
	"fmt"
	"slices"
	"strings"
)

// findMistake looks for what people do wrong most often in a text that the
// YAML parser refused; the parser itself often names the line at which the
// surrounding block begins. The cause is empty where nothing was found.
func findMistake(text string) (Position, string) {
	m := mistakes{text: text, block: -1}
	for l := range strings.Lines(text) {
		m.line++
		m.start += m.length
		m.length = len(l)
		if cause := m.look(strings.TrimRight(l, "\r\n")); cause != "" {
			return Position{Line: m.line, Column: m.column}, cause
		}
		if m.lost {
			return m.openQuote()
		}
	}
	if n := len(m.open); n > 0 {
		b := m.open[n-1]
		return Position{Line: b.line, Column: b.column}, fmt.Sprintf("the %c is not closed", b.char)
	}
	return Position{}, ""
}

// mistakes walks over the lines of a text.
type mistakes struct {
	text          string
	line, column  int
	start, length int       // of the line, in bytes
	levels        []level   // of keys in blocks, outermost first
	open          []bracket // brackets of flow style that are not closed
	block         int       // indentation of the key whose block scalar the lines belong to; -1: none
	lost          bool      // a quote, at column, goes on in the next line: nothing is certain from here on
}

type level struct {
	indent, line int
	takes        bool // deeper keys may follow
}

type bracket struct {
	char         rune
	line, column int
}

// look examines one line and returns what is wrong with it.
func (m *mistakes) look(l string) string {
	body := strings.TrimLeft(l, " ")
	indent := len(l) - len(body)
	if strings.TrimSpace(body) == "" || m.block >= 0 && indent > m.block {
		return ""
	}
	m.block = -1
	if body[0] == '#' {
		return ""
	}
	inFlow := len(m.open) > 0
	m.brackets(l)
	if m.lost {
		return ""
	}
	switch {
	case inFlow:
		return ""
	case body[0] == '\t':
		m.column = indent + 1
		return "a tab is used for indentation; YAML wants spaces"
	case strings.HasPrefix(body, "---") || strings.HasPrefix(body, "..."):
		m.levels = nil
		return ""
	}
	for strings.HasPrefix(body, "- ") {
		body = strings.TrimLeft(body[2:], " ")
		indent = len(l) - len(body)
	}
	m.column = indent + 1
	key, value, isKey := cutKey(body)
	if !isKey {
		if word, _, found := strings.Cut(body, ":"); found && isKnownKey(word) {
			return fmt.Sprintf("a blank is missing after %s:", word)
		}
		return ""
	}
	if v := strings.TrimSpace(value); strings.HasPrefix(v, "|") || strings.HasPrefix(v, ">") {
		m.block = indent
	}
	if cause := m.indented(key, indent, opensBlock(value)); cause != "" {
		return cause
	}
	m.column = strings.Index(l, body) + len(key) + 1 + len(value) - len(strings.TrimLeft(value, " \t")) + 1
	return m.unquoted(strings.TrimSpace(value))
}

// unquoted looks for what a value may not have outside of quotes.
func (m *mistakes) unquoted(v string) string {
	if v == "" || strings.ContainsRune("#&!|>{[\"'", rune(v[0])) {
		return ""
	}
	v, _, _ = strings.Cut(v, " #")
	name, _, _ := strings.Cut(strings.TrimPrefix(v, "*"), " ")
	switch {
	case strings.ContainsRune("@`%", rune(v[0])):
		return fmt.Sprintf("a value that begins with %c needs quotes", v[0])
	case v[0] == '*' && (name == "" || !strings.Contains(m.text, "&"+name)):
		return "a value that begins with * needs quotes, or is the name of an anchor"
	case strings.Contains(v, ": ") || strings.HasSuffix(v, ":"):
		return "a value that holds a colon and a blank needs quotes"
	}
	return ""
}

// openQuote tells whether the quote at which the walk was lost ever ends.
func (m *mistakes) openQuote() (Position, string) {
	at := m.start + m.column - 1
	if quoteEnd(m.text, at) >= 0 {
		return Position{}, ""
	}
	return Position{Line: m.line, Column: m.column}, fmt.Sprintf("the quote %c is not closed", m.text[at])
}

// indented checks the indentation of a key against those above it.
func (m *mistakes) indented(key string, indent int, takes bool) string {
	if n := len(m.levels); n > 0 && indent > m.levels[n-1].indent && !m.levels[n-1].takes {
		return fmt.Sprintf("%q is indented deeper than the key in line %d, which already has a value", key, m.levels[n-1].line)
	}
	for n := len(m.levels); n > 0 && indent < m.levels[n-1].indent; n = len(m.levels) {
		m.levels = m.levels[:n-1]
		if n > 1 && indent > m.levels[n-2].indent {
			return fmt.Sprintf("the indentation of %q, %d, fits no key above it", key, indent)
		}
	}
	here := level{indent, m.line, takes}
	if n := len(m.levels); n > 0 && indent == m.levels[n-1].indent {
		m.levels[n-1] = here
	} else {
		m.levels = append(m.levels, here)
	}
	return ""
}

// brackets keeps count of flow style.
func (m *mistakes) brackets(l string) {
	value := len(m.open) > 0 // outside of brackets one counts only where a value begins
	previous := byte(' ')
	lastBrace := strings.LastIndexByte(l, '}')
	for i := 0; i < len(l); i++ {
		c := l[i]
		begins := strings.IndexByte(" \t[{,", previous) >= 0
		switch {
		case c == '#' && (previous == ' ' || previous == '\t'):
			return
		case (c == '"' || c == '\'') && begins:
			end := quoteEnd(l, i)
			if end < 0 {
				m.lost, m.column = true, i+1
				return
			}
			i = end
		case c == '$' && i+1 < len(l) && l[i+1] == '{':
			if i < lastBrace {
				i += strings.IndexByte(l[i:], '}')
			}
		case (c == '{' || c == '[') && (len(m.open) > 0 || value && begins):
			m.open = append(m.open, bracket{rune(c), m.line, i + 1})
		case (c == '}' || c == ']') && len(m.open) > 0:
			m.open = m.open[:len(m.open)-1]
		}
		if c == ':' || c == '-' {
			value = true
		} else if c != ' ' && len(m.open) == 0 {
			value = false
		}
		previous = l[i]
	}
}

// isKnownKey tells whether a word is a key of stack files.
func isKnownKey(word string) bool {
	return slices.Contains(slices.Concat(rootKeys(), functionKeys(), []string{"name", "gateway", "memory", "cpu"}), word)
}

// cutKey splits KEY: VALUE.
func cutKey(s string) (key, value string, ok bool) {
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") || strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "'") {
		return "", "", false
	}
	i := strings.Index(s, ":")
	if i <= 0 || i+1 < len(s) && s[i+1] != ' ' && s[i+1] != '\t' {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// opensBlock tells whether a mapping or list may follow in deeper lines after
// a key with this value.
func opensBlock(value string) bool {
	v := strings.TrimSpace(value)
	return v == "" || strings.ContainsRune("#&!|>{[\"'", rune(v[0]))
}
