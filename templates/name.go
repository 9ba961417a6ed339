package templates

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrInvalidName is wrapped by every error about a template name or a git ref
// that is not well-formed.
var ErrInvalidName = errors.New("invalid name")

// maxName bounds names and each element of a ref, in bytes: file systems take
// 255.
const maxName = 200

// A Name is the lang of a function taken apart: a template, and the ref that
// it is pinned to, if any.
type Name struct {
	Base string // folder in the repository's template/
	Ref  string // branch, tag or "sha-" and a commit; empty: not pinned
}

// ParseName takes a name such as "python3-http" or "golang-http@0.9.0" apart.
// What it accepts is safe to make a path of: no element is "..", empty, hidden
// or reserved. Errors wrap ErrInvalidName.
func ParseName(s string) (Name, error) {
	base, ref, pinned := strings.Cut(s, "@")
	if err := checkBase(base); err != nil {
		return Name{}, fmt.Errorf("template name %q: %w: %s", s, ErrInvalidName, err)
	}
	if !pinned {
		return Name{Base: base}, nil
	}
	if err := checkRef(ref); err != nil {
		return Name{}, fmt.Errorf("template name %q: %w", s, err)
	}
	return Name{Base: base, Ref: ref}, nil
}

// String is the name as a stack file's lang has it, which is also its path
// below the template folder; a ref may add slashes.
func (n Name) String() string {
	if n.Ref == "" {
		return n.Base
	}
	return n.Base + "@" + n.Ref
}

// checkBase accepts what is one portable path element and cannot be taken for
// an option.
func checkBase(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxName:
		return fmt.Errorf("it is longer than %d bytes", maxName)
	case !isAlphanumeric(rune(s[0])):
		return errors.New("it must begin with a letter or digit")
	}
	for _, r := range s {
		if !isAlphanumeric(r) && !strings.ContainsRune("-_.+", r) {
			return fmt.Errorf("%q is not allowed in it", r)
		}
	}
	return checkPortable(s)
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// checkRef accepts the names that git accepts for a branch or a tag (the rules
// of git check-ref-format --allow-onelevel) and that make a portable path, and
// "sha-" with 7 to 40 hexadecimal digits. Errors wrap ErrInvalidName.
func checkRef(ref string) error {
	fail := func(why string) error { return fmt.Errorf("ref %q: %w: %s", ref, ErrInvalidName, why) }
	if sha, ok := strings.CutPrefix(ref, shaPrefix); ok {
		if len(sha) < 7 || len(sha) > 40 || strings.Trim(strings.ToLower(sha), "0123456789abcdef") != "" {
			return fail("sha- must be followed by 7 to 40 hexadecimal digits")
		}
		return nil
	}
	switch {
	case ref == "":
		return fail("it is empty")
	case strings.HasPrefix(ref, "-"):
		return fail("it begins with a dash")
	case strings.Contains(ref, ".."), strings.Contains(ref, "@{"), ref == "@":
		return fail("git does not allow it")
	case strings.HasSuffix(ref, "."):
		return fail("it ends with a dot")
	}
	for _, r := range ref {
		if !isAlphanumeric(r) && !strings.ContainsRune("-_./+@", r) {
			return fail(fmt.Sprintf("%q is not allowed in it", r))
		}
	}
	for elem := range strings.SplitSeq(ref, "/") {
		switch {
		case elem == "":
			return fail("it has an empty element")
		case elem[0] == '.', strings.HasSuffix(elem, ".lock"):
			return fail(fmt.Sprintf("git does not allow the element %q", elem))
		case len(elem) > maxName:
			return fail(fmt.Sprintf("an element is longer than %d bytes", maxName))
		}
		if err := checkPortable(elem); err != nil {
			return fail(err.Error())
		}
	}
	return nil
}

// shaPrefix marks a ref that is a commit.
const shaPrefix = "sha-"

// checkPortable refuses path elements that some system we run on cannot store
// or takes for something else.
func checkPortable(elem string) error {
	switch {
	case elem == "" || elem == "." || elem == "..":
		return fmt.Errorf("%q is no file name", elem)
	case !utf8.ValidString(elem):
		return fmt.Errorf("%q is not valid UTF-8", elem)
	case strings.EqualFold(elem, ".git"), isGitShortName(elem):
		return fmt.Errorf("%q is git's own", elem)
	case strings.HasSuffix(elem, ".") || strings.HasSuffix(elem, " "):
		return fmt.Errorf("%q ends with a dot or blank, which Windows drops", elem)
	case isReserved(elem):
		return fmt.Errorf("%q is reserved on Windows", elem)
	}
	for _, r := range elem {
		if unicode.IsControl(r) || strings.ContainsRune(`<>:"|?*\/`, r) {
			return fmt.Errorf("%q contains %q, which is not portable", elem, r)
		}
		if unicode.Is(unicode.Cf, r) {
			return fmt.Errorf("%q contains an invisible character", elem)
		}
	}
	return nil
}

// isReserved knows the device names of Windows, which count with any suffix.
func isReserved(elem string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(elem), ".")
	stem = strings.TrimRight(stem, " ")
	if slices.Contains([]string{"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}, stem) {
		return true
	}
	if len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) {
		return '0' <= stem[3] && stem[3] <= '9'
	}
	return false
}

// isGitShortName knows ".git" as NTFS abbreviates it.
func isGitShortName(elem string) bool {
	return strings.EqualFold(elem, "git~1")
}
