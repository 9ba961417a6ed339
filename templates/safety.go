package templates

import (
	"fmt"
	"path"
	"strings"
)

// Bounds of a template; the original has none.
const (
	maxFileSize  = 100 << 20 // bytes of one file
	maxTreeSize  = 1 << 30   // bytes of all files
	maxTreeFiles = 50_000
	maxLinks     = 40 // on the way to one file, as the kernel's own limit
)

// An UnsafeError is a template that is refused, with the path in it that is
// the reason.
type UnsafeError struct {
	Template string
	Path     string // in the template
	Why      string
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("template %q is refused: %q %s", e.Template, e.Path, e.Why)
}

// treeFile is a file of a template in a repository.
type treeFile struct {
	path string // in the template, slash-separated
	mode string // git's: 100644, 100755 or 120000
	id   string // git's
}

// The modes of files in git's trees.
const (
	modeFile      = "100644"
	modeGroup     = "100664" // of old repositories
	modeExec      = "100755"
	modeLink      = "120000"
	modeSubmodule = "160000"
)

// checkTree refuses trees that hold what cannot be stored everywhere, what is
// git's own, or too much. Links are checked when their targets are known.
func checkTree(template string, files []treeFile) error {
	if len(files) > maxTreeFiles {
		return &UnsafeError{template, files[maxTreeFiles].path, fmt.Sprintf("is one of %d files, more than %d", len(files), maxTreeFiles)}
	}
	seen := map[string]string{} // folded path → path, folders included
	leaf := map[string]bool{}   // folded paths that are no folders
	for _, f := range files {
		switch f.mode {
		case modeFile, modeGroup, modeExec, modeLink:
		default:
			return &UnsafeError{template, f.path, "is neither file, folder nor link"}
		}
		elems := strings.Split(f.path, "/")
		for i, elem := range elems {
			if err := checkPortable(elem); err != nil {
				return &UnsafeError{template, f.path, "is no portable path: " + err.Error()}
			}
			part := strings.Join(elems[:i+1], "/")
			key := strings.ToLower(part)
			last := i == len(elems)-1
			if other, has := seen[key]; has && (other != part || last || leaf[key]) {
				return &UnsafeError{template, f.path, fmt.Sprintf("and %q are the same on systems that ignore case", other)}
			}
			seen[key] = part
			leaf[key] = last
		}
	}
	return nil
}

// checkLinks refuses links that leave the tree, directly or through others.
// links maps paths to targets.
func checkLinks(template string, links map[string]string) error {
	for p, target := range links {
		if strings.HasPrefix(target, "/") || strings.Contains(target, `\`) || strings.Contains(target, ":") || target == "" || strings.Contains(target, "\x00") {
			return &UnsafeError{template, p, fmt.Sprintf("is a link to %q, which is not a path in the template", target)}
		}
		hops := 0
		if !staysInside(links, path.Dir(p), target, &hops) {
			return &UnsafeError{template, p, fmt.Sprintf("is a link to %q, which leaves the template", target)}
		}
	}
	return nil
}

// staysInside follows target from the folder dir as the system would.
func staysInside(links map[string]string, dir, target string, hops *int) bool {
	_, ok := follow(links, dir, target, hops)
	return ok
}

// follow returns where target leads from dir. It says false where it leads out
// or in circles.
func follow(links map[string]string, dir, target string, hops *int) (string, bool) {
	if strings.HasPrefix(target, "/") {
		return "", false
	}
	at := dir
	for elem := range strings.SplitSeq(target, "/") {
		switch elem {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return "", false
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, elem)
		if inner, is := links[next]; is {
			if *hops++; *hops > maxLinks {
				return "", false
			}
			var ok bool
			if next, ok = follow(links, at, inner, hops); !ok {
				return "", false
			}
		}
		at = next
	}
	return at, true
}
