package stack

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Selector chooses functions by name. The zero value chooses all.
type Selector struct {
	Filter string // whole name; * stands for any characters, also none; empty: no filter
	Regex  string // RE2, found anywhere in the name; empty: none
}

// Check says whether the selector can be used.
func (s Selector) Check() error {
	_, err := s.matcher()
	return err
}

// String is the flag that asks for it.
func (s Selector) String() string {
	if s.Regex != "" {
		return fmt.Sprintf("--regex %q", s.Regex)
	}
	return fmt.Sprintf("--filter %q", s.Filter)
}

// matcher compiles the selector; nil means all.
func (s Selector) matcher() (func(name string) bool, error) {
	switch {
	case s.Filter != "" && s.Regex != "":
		return nil, errors.New("give either a regex or a filter, not both")
	case s.Filter != "":
		return func(name string) bool { return wildcard(s.Filter, name) }, nil
	case s.Regex != "":
		re, err := regexp.Compile(s.Regex)
		if err != nil {
			return nil, fmt.Errorf("parse regex %q: %w", s.Regex, err)
		}
		return re.MatchString, nil
	}
	return nil, nil
}

// wildcard matches the whole of name against pattern, in which * stands for
// any run of characters.
func wildcard(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, last)
}
