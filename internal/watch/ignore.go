package watch

import (
	"os"
	"path/filepath"
	"strings"

	gitignore "github.com/sabhiram/go-gitignore"
)

// EditorFile reports whether a file of that name is an editor's own: a swap
// file, a backup, a lock or a probe, never a part of a program.
func EditorFile(path string) bool {
	name := filepath.Base(path)
	switch ext := filepath.Ext(name); {
	case strings.HasSuffix(name, "~"), strings.HasPrefix(name, ".#"), strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#"):
		return true
	case name == "4913": // what vim writes to see whether it may
		return true
	default:
		return ext == ".swp" || ext == ".swx" || ext == ".swo" || ext == ".tmp" && strings.HasPrefix(name, ".")
	}
}

// Ignore returns the rules of a project: editors' files, .git, .openfaas and
// what the project's .gitignore names, matched against paths below root, as
// git does. A project without a .gitignore is fine.
func Ignore(root string) (func(path string, dir bool) bool, error) {
	content, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	rules := gitignore.CompileIgnoreLines(strings.Split(string(content), "\n")...)
	return func(path string, dir bool) bool {
		if EditorFile(path) && !dir {
			return true
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || rel == "." || strings.HasPrefix(rel, "..") {
			return false
		}
		rel = filepath.ToSlash(rel)
		for part := range strings.SplitSeq(rel, "/") {
			if part == ".git" || part == ".openfaas" {
				return true
			}
		}
		if dir {
			rel += "/"
		}
		return rules.MatchesPath(rel)
	}, nil
}
