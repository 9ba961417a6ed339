package stack

import (
	"fmt"
	"strings"
)

// findMistake looks for what people do wrong most often in a text that the
// YAML parser refused; the parser itself often names the line at which the
// surrounding block begins. The cause is empty where nothing was found.
func findMistake(text string) (Position, string) {
	type level struct{ indent, line int }
	levels := []level{}
	block := -1 // indentation of the key whose block scalar the lines belong to
	line := 0
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimRight(l, "\r\n")
		body := strings.TrimLeft(l, " ")
		indent := len(l) - len(body)
		if strings.TrimSpace(body) == "" {
			continue
		}
		if block >= 0 && indent > block {
			continue
		}
		block = -1
		if body[0] == '#' {
			continue
		}
		if body[0] == '\t' {
			return Position{Line: line, Column: indent + 1}, "a tab is used for indentation; YAML wants spaces"
		}
		if strings.HasPrefix(body, "---") || strings.HasPrefix(body, "...") {
			levels = levels[:0]
			continue
		}
		for strings.HasPrefix(body, "- ") {
			body = strings.TrimLeft(body[2:], " ")
			indent = len(l) - len(body)
		}
		key, value, isKey := cutKey(body)
		if !isKey {
			continue
		}
		if k := strings.TrimSpace(value); strings.HasPrefix(k, "|") || strings.HasPrefix(k, ">") {
			block = indent
		}
		if n := len(levels); n > 0 && indent > levels[n-1].indent {
			previous := strings.TrimLeft(lineOf(text, levels[n-1].line), " -")
			if _, v, ok := cutKey(previous); ok && !opensBlock(v) {
				return Position{Line: line, Column: indent + 1},
					fmt.Sprintf("%q is indented deeper than the key in line %d, which already has a value", key, levels[n-1].line)
			}
		}
		for len(levels) > 0 && indent < levels[len(levels)-1].indent {
			levels = levels[:len(levels)-1]
			if len(levels) > 0 && indent > levels[len(levels)-1].indent {
				return Position{Line: line, Column: indent + 1},
					fmt.Sprintf("the indentation of %q, %d, fits no key above it", key, indent)
			}
		}
		if len(levels) == 0 || indent > levels[len(levels)-1].indent {
			levels = append(levels, level{indent, line})
		} else {
			levels[len(levels)-1].line = line
		}
	}
	return Position{}, ""
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
