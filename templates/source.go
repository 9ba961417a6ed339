package templates

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// ErrInvalidSource is wrapped by errors about a repository that is neither a
// path that exists nor a git URL.
var ErrInvalidSource = errors.New("not a valid git repo uri")

// A Source is a repository that templates are pulled from.
type Source struct {
	Repo string // URL, scp form, or path as given
	Path string // folder in the repository that holds template/; empty: the top
	Ref  string // branch, tag or "sha-" and a commit; empty: the default branch

	// Local is the absolute path of a repository on this machine; empty for
	// all others.
	Local string
}

// ParseSource reads REPO[//PATH][#REF]. REPO is a path that exists, relative
// to dir, or a git URL (https, http, ssh, git) or git@HOST:PATH. A path that
// exists as it is written is taken so, whatever it contains; one with a // in it
// only where that is a repository of its own. Errors wrap
// ErrInvalidSource or, for the ref, ErrInvalidName.
func ParseSource(s, dir string) (Source, error) {
	for _, r := range s {
		if unicode.IsControl(r) {
			return Source{}, fmt.Errorf("repository %q: %w: it contains a control character", s, ErrInvalidSource)
		}
	}
	if strings.HasPrefix(s, "-") {
		return Source{}, fmt.Errorf("repository %q: %w: it begins with a dash", s, ErrInvalidSource)
	}
	if local, ok := existing(dir, s); ok {
		return Source{Repo: s, Local: local}, nil
	}
	repo, ref, pinned := s, "", false
	if i := strings.LastIndexByte(s, '#'); i >= 0 {
		repo, ref, pinned = s[:i], s[i+1:], true
	}
	if pinned {
		if err := checkRef(ref); err != nil {
			return Source{}, fmt.Errorf("repository %q: %w", Redact(s), err)
		}
	}
	src := Source{Repo: repo, Ref: ref}
	if local, ok := existing(dir, repo); ok {
		src.Local = local
		return src, nil
	}
	whole := repo
	src.Repo, src.Path = cutPath(repo)
	if src.Path != "" {
		if !filepath.IsLocal(filepath.FromSlash(src.Path)) {
			return Source{}, fmt.Errorf("repository %q: %w: the path in it leaves it", Redact(s), ErrInvalidSource)
		}
		if local, ok := existing(dir, src.Repo); ok {
			src.Local = local
			return src, nil
		}
	}
	if !isRemote(src.Repo) {
		return Source{}, fmt.Errorf("repository %q: %w, and no such path exists", Redact(whole), ErrInvalidSource)
	}
	return src, nil
}

// existing returns the absolute form of a path that exists and can be meant.
func existing(dir, p string) (string, bool) {
	if p == "" {
		return "", false
	}
	_, inner := cutPath(p)
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	if inner != "" && !isRepository(p) {
		return "", false
	}
	_, err := os.Stat(p)
	return p, err == nil
}

// isRepository says whether a path looks like a repository, bare or not.
func isRepository(p string) bool {
	return slices.ContainsFunc([]string{".git", "HEAD"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(p, name))
		return err == nil
	})
}

// cutPath splits REPO//PATH. The slashes after a URL's scheme do not count.
func cutPath(repo string) (base, sub string) {
	start := 0
	if i := strings.Index(repo, "://"); i >= 0 {
		start = i + len("://")
	}
	i := strings.Index(repo[start:], "//")
	if i < 0 {
		return repo, ""
	}
	sub = strings.Trim(repo[start+i:], "/")
	if sub != "" {
		sub = path.Clean(sub)
	}
	return repo[:start+i], sub
}

// isRemote accepts the URLs that git clones from over a network.
func isRemote(repo string) bool {
	if rest, ok := strings.CutPrefix(repo, "git@"); ok {
		host, p, found := strings.Cut(rest, ":")
		return found && p != "" && isHost(host) && !strings.HasPrefix(p, "-")
	}
	u, err := url.Parse(repo)
	if err != nil || !isHost(u.Hostname()) || u.RawQuery != "" && u.Path == "" {
		return false
	}
	switch u.Scheme {
	case "https", "http", "ssh", "git":
		return strings.Trim(u.Path, "/") != ""
	}
	return false
}

func isHost(h string) bool {
	return h != "" && !strings.HasPrefix(h, "-") && !strings.ContainsAny(h, "/\\ ")
}

// protocols are the transports that git may use to reach url, redirects
// included: never a weaker one than was asked for.
func protocols(repo string) []string {
	scheme, _, ok := strings.Cut(repo, "://")
	switch host, _, scp := strings.Cut(repo, ":"); {
	case !ok && scp && !strings.Contains(host, "/"):
		return []string{"ssh"}
	case !ok || scheme == "file":
		return []string{"file"}
	case scheme == "http":
		return []string{"http", "https"}
	default:
		return []string{scheme}
	}
}

// String is the source as it was given, without a password.
func (s Source) String() string {
	if s.Ref == "" {
		return s.Place()
	}
	return s.Place() + "#" + s.Ref
}

// Place is the repository and the path in it, without ref and password: what
// is recorded.
func (s Source) Place() string {
	if s.Path == "" {
		return Redact(s.Repo)
	}
	return Redact(s.Repo) + "//" + s.Path
}

// key tells repositories apart in the cache; relative paths do not.
func (s Source) key() string {
	if s.Local != "" {
		return "path:" + filepath.Clean(s.Local)
	}
	return "url:" + Redact(s.Repo)
}

// Redact takes the password out of a repository's URL.
func Redact(repo string) string {
	i := strings.Index(repo, "://")
	if i < 0 {
		return repo
	}
	u, err := url.Parse(repo)
	if err != nil {
		// Not a URL, but it may have been meant as one with a password.
		if at := strings.LastIndexByte(repo, '@'); at > i {
			return repo[:i+len("://")] + repo[at+1:]
		}
		return repo
	}
	if _, has := u.User.Password(); !has {
		return repo
	}
	u.User = url.User(u.User.Username())
	return u.String()
}
