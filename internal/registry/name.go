package registry

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A Name is where an image is called: a repository, and a tag or a digest.
type Name struct {
	Repository string
	Tag        string  // "latest" unless the name says otherwise; empty if it has only a digest
	Digest     v1.Hash // zero unless the name ends in @sha256:…
}

// String is the name in its canonical form, as List prints it.
func (n Name) String() string {
	s := n.Repository
	if n.Tag != "" {
		s += ":" + n.Tag
	}
	if n.Digest != (v1.Hash{}) {
		s += "@" + n.Digest.String()
	}
	return s
}

// ParseName reads an image name as people write them. Docker Hub's host and its
// library are dropped, so that docker.io/library/alpine, docker.io/alpine and
// alpine are one name. The grammar is that of the distribution specification.
func ParseName(s string) (Name, error) {
	var n Name
	rest, dig, pinned := strings.Cut(s, "@")
	if pinned {
		h, err := v1.NewHash(dig)
		if err == nil {
			err = checkHash(h)
		}
		if err != nil {
			return Name{}, fmt.Errorf("image name %q: %w", s, err)
		}
		n.Digest = h
	}
	n.Repository = rest
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		n.Repository, n.Tag = rest[:i], rest[i+1:]
		if !validTag(n.Tag) {
			return Name{}, fmt.Errorf("image name %q: bad tag %q", s, n.Tag)
		}
	} else if !pinned {
		n.Tag = "latest"
	}
	for _, hub := range []string{"docker.io/", "index.docker.io/"} {
		if r, ok := strings.CutPrefix(n.Repository, hub); ok {
			n.Repository = strings.TrimPrefix(r, "library/")
			break
		}
	}
	if !validRepository(n.Repository) {
		return Name{}, fmt.Errorf("image name %q: bad repository %q", s, n.Repository)
	}
	return n, nil
}

// validRepository follows the distribution specification, plus a leading
// HOST[:PORT] as image names have it.
func validRepository(s string) bool {
	if len(s) > 255 {
		return false
	}
	parts := strings.Split(s, "/")
	for i, p := range parts {
		if i == 0 && len(parts) > 1 {
			if host, port, ok := strings.Cut(p, ":"); ok {
				if port == "" || strings.Trim(port, "0123456789") != "" {
					return false
				}
				p = host
			}
		}
		if !validComponent(p) {
			return false
		}
	}
	return true
}

// validComponent wants lower-case letters and digits, separated by a dot, one
// or two underscores, or any number of hyphens.
func validComponent(s string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	for {
		word := len(s) - len(strings.TrimLeft(s, alnum))
		if word == 0 {
			return false
		}
		if s = s[word:]; s == "" {
			return true
		}
		sep := len(s) - len(strings.TrimLeft(s, "._-"))
		switch q := s[:sep]; {
		case q == ".", q == "_", q == "__", strings.Trim(q, "-") == "" && q != "":
		default:
			return false
		}
		s = s[sep:]
	}
}

// validTag wants at most 128 letters, digits, underscores, dots and hyphens,
// the first neither dot nor hyphen.
func validTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-')
	}) < 0
}

// escape makes a file name of a part of an image name: capitals become "!" and
// the small letter, for file systems that do not tell them apart, and the colon
// before a port becomes "!!".
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 'A' && r <= 'Z':
			b.WriteByte('!')
			b.WriteRune(r - 'A' + 'a')
		case r == ':':
			b.WriteString("!!")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unescape is the inverse of escape.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '!' || i+1 == len(s):
			b.WriteByte(s[i])
		case s[i+1] == '!':
			b.WriteByte(':')
			i++
		default:
			b.WriteByte(s[i+1] - 'a' + 'A')
			i++
		}
	}
	return b.String()
}
