package value

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	maxLabel  = 63  // of a Kubernetes label's name and value
	maxPrefix = 253 // of the DNS name before a key's slash
	maxTag    = 128 // of an image
	maxImage  = 255 // of an image reference without tag and digest
)

// Duration reads a Go duration, such as 1m30s, of zero or more.
func Duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("invalid duration %q: give a number with a unit, such as \"30s\" or \"1m30s\"", s)
	}
	return d, nil
}

// Schedule refuses what is no list of 5-field cron expressions separated by
// semicolons.
func Schedule(s string) error {
	for expr := range strings.SplitSeq(s, ";") {
		expr = strings.TrimSpace(expr)
		if expr == "" {
			return fmt.Errorf("invalid schedule %q: an expression is empty", s)
		}
		if _, err := cron.ParseStandard(expr); err != nil {
			return fmt.Errorf("invalid schedule %q: %w", expr, err)
		}
	}
	return nil
}

// Key refuses what is no key of a Kubernetes label or annotation: an optional
// DNS prefix with a slash, and a name of at most 63 letters, digits, dashes,
// underscores and points that begins and ends with a letter or digit.
func Key(s string) error {
	name := s
	if prefix, rest, ok := strings.Cut(s, "/"); ok {
		name = rest
		if !dnsName(prefix) {
			return fmt.Errorf("invalid key %q: %q is no DNS name", s, prefix)
		}
	}
	if name == "" || !labelText(name) {
		return fmt.Errorf("invalid key %q: want at most %d letters, digits, '-', '_' and '.', of which the first and the last are letters or digits", s, maxLabel)
	}
	return nil
}

// LabelValue refuses what is no value of a Kubernetes label. Empty is one.
func LabelValue(s string) error {
	if s != "" && !labelText(s) {
		return fmt.Errorf("invalid label value %q: want at most %d letters, digits, '-', '_' and '.', of which the first and the last are letters or digits", s, maxLabel)
	}
	return nil
}

func labelText(s string) bool {
	if len(s) > maxLabel || !alphanumeric(s[0]) || !alphanumeric(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && strings.IndexByte("-_.", s[i]) < 0 {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// dnsName tells whether s is lower-case DNS labels joined by points.
func dnsName(s string) bool {
	if len(s) > maxPrefix {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if !dnsLabel(part) {
			return false
		}
	}
	return true
}

func dnsLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Image refuses what is no image reference: an optional registry, a path of
// lower-case components, an optional tag and digest.
func Image(s string) error {
	fail := func(why string) error { return fmt.Errorf("invalid image reference %q: %s", s, why) }
	name, digest, pinned := strings.Cut(s, "@")
	if pinned {
		algorithm, hex, ok := strings.Cut(digest, ":")
		if !ok || algorithm == "" || len(hex) < 32 || strings.Trim(hex, "0123456789abcdef") != "" {
			return fail("its digest is not ALGORITHM:HEX")
		}
	}
	slash := strings.LastIndexByte(name, '/')
	if colon := strings.LastIndexByte(name, ':'); colon > slash {
		tag := name[colon+1:]
		name = name[:colon]
		if tag == "" || len(tag) > maxTag || strings.IndexByte(".-", tag[0]) >= 0 || strings.Trim(tag, tagChars) != "" {
			return fail("its tag wants at most 128 letters, digits, '_', '.' and '-'")
		}
	}
	if name == "" || len(name) > maxImage {
		return fail("its name is empty or too long")
	}
	parts := strings.Split(name, "/")
	if first := parts[0]; len(parts) > 1 && (strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first) {
		parts = parts[1:]
		if err := registry(first); err != nil {
			return fail(err.Error())
		}
	}
	for _, part := range parts {
		if part == "" {
			return fail("a part of its path is empty")
		}
		if !component(part) {
			return fail(fmt.Sprintf("%q wants lower-case letters, digits and single separators between them", part))
		}
	}
	return nil
}

const tagChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

func registry(s string) error {
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return errors.New("the port of its registry is no number")
	}
	if !dnsName(strings.ToLower(host)) {
		return errors.New("its registry is no host name")
	}
	return nil
}

// component tells whether s is a part of an image's path.
func component(s string) bool {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
		return false
	}
	separators := ""
	for i := range len(s) {
		if alphanumeric(s[i]) {
			if !separator(separators) {
				return false
			}
			separators = ""
			continue
		}
		if i == 0 {
			return false
		}
		separators += s[i : i+1]
	}
	return separators == ""
}

func separator(s string) bool {
	return s == "" || s == "." || s == "_" || s == "__" || strings.Trim(s, "-") == ""
}

// Platforms reads a list of platforms, OS/ARCH or OS/ARCH/VARIANT, separated
// by commas.
func Platforms(s string) ([]string, error) {
	var out []string
	for p := range strings.SplitSeq(s, ",") {
		p = strings.TrimSpace(p)
		parts := strings.Split(p, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, fmt.Errorf("invalid platform %q: want OS/ARCH, such as linux/amd64", p)
		}
		for _, part := range parts {
			if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				return nil, fmt.Errorf("invalid platform %q: want OS/ARCH, such as linux/amd64", p)
			}
		}
		out = append(out, p)
	}
	return out, nil
}
