package commands

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// ignoreInGit makes sure that the .gitignore of dir names the entries, if dir
// belongs to a git repository. What is missing is added at the end, everything
// else stays byte for byte; "/build/" and "build" are the same entry.
func ignoreInGit(dir string, entries ...string) error {
	if !inGitRepository(dir) {
		return nil
	}
	path := filepath.Join(dir, ".gitignore")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(old)) {
		known[strings.Trim(strings.TrimSpace(line), "/")] = true
	}
	text := bytes.NewBuffer(bytes.Clone(old))
	for _, entry := range entries {
		if known[entry] {
			continue
		}
		if b := text.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
			text.WriteByte('\n')
		}
		text.WriteString(entry + "\n")
	}
	if text.Len() == len(old) {
		return nil
	}
	return atomicfile.UpdateBytes(path, 0o644, text.Bytes())
}

// inGitRepository says whether dir or a folder above it has a .git, which is a
// folder, or a file in work trees and submodules.
func inGitRepository(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}
