package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Discovered says which stack files a command reads.
type Discovered struct {
	Paths []string // empty: none
	Notes []string // what the user should know, for stderr

	// Candidates are the stack files of the folder when there are several and
	// none is called stack.yaml or stack.yml. Paths is empty then: a command
	// that needs a stack file names them, others do without.
	Candidates []string

	Implicit bool // found by itself, not named by -f
}

// Discover finds the stack files of a command. files are the values of -f:
// nil when it was not given, [""] for none. Each must exist or be a URL; only
// a single stack.yaml or stack.yml that does not exist counts as not given.
// The error of a missing file is fs.ErrNotExist.
func Discover(dir string, files []string) (Discovered, error) {
	if len(files) == 1 && files[0] == "" {
		return Discovered{}, nil
	}
	for _, path := range files {
		if IsURL(path) {
			continue
		}
		_, err := os.Stat(inDir(dir, path))
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) && len(files) == 1 && (path == "stack.yaml" || path == "stack.yml"):
			d, err := search(dir)
			switch {
			case err != nil:
			case len(d.Paths) > 0:
				d.Notes = append(d.Notes, fmt.Sprintf("%s does not exist, using %s", path, d.Paths[0]))
			case len(d.Candidates) > 0: // a command that can do without uses none
				d.Notes = append(d.Notes, fmt.Sprintf("%s does not exist, and none of %s is chosen", path, strings.Join(d.Candidates, ", ")))
			default:
				d.Notes = append(d.Notes, fmt.Sprintf("%s does not exist, nor does another stack file here", path))
			}
			return d, err
		default:
			return Discovered{}, namePath(err, path)
		}
	}
	if len(files) > 0 {
		return Discovered{Paths: slices.Clone(files)}, nil
	}
	return search(dir)
}

// search looks for the stack file of a folder.
func search(dir string) (Discovered, error) {
	for _, name := range []string{"stack.yaml", "stack.yml"} {
		if _, err := os.Stat(inDir(dir, name)); err == nil {
			return Discovered{Paths: []string{name}, Implicit: true}, nil
		}
	}
	folder := dir
	if folder == "" {
		folder = "."
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return Discovered{}, fmt.Errorf("look for a stack file: %w", err)
	}
	var found []string
	for _, e := range entries {
		if !isYAMLName(e.Name()) {
			continue
		}
		path := filepath.Join(folder, e.Name())
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxRemote {
			continue
		}
		if text, err := os.ReadFile(path); err == nil && declaresProvider(text) {
			found = append(found, e.Name())
		}
	}
	if len(found) == 1 {
		return Discovered{Paths: found, Implicit: true}, nil
	}
	return Discovered{Candidates: found, Implicit: true}, nil
}

// Target is the file that new and stack add write a function to.
type Target struct {
	Path   string
	Exists bool
}

// NewTarget chooses where a new function goes: the one file of -f, the
// existing file of --append, stack.yaml or stack.yml if there is one, else
// NAME.yml.
func NewTarget(dir, name string, files []string, appendTo string) (Target, error) {
	path := name + ".yml"
	switch {
	case len(files) > 1 || len(files) == 1 && files[0] != "" && appendTo != "":
		return Target{}, ErrSeveralTargets
	case appendTo != "":
		path = appendTo
		if !isYAMLName(path) {
			return Target{}, fmt.Errorf("append to %q: the name of a stack file ends in .yml or .yaml", path)
		}
	case len(files) == 1 && files[0] != "":
		path = files[0]
	default:
		for _, f := range []string{"stack.yaml", "stack.yml"} {
			if len(files) > 0 { // -f '': no stack file is looked for
				break
			}
			if _, err := os.Stat(inDir(dir, f)); err == nil {
				path = f
				break
			}
		}
	}
	if IsURL(path) {
		return Target{}, fmt.Errorf("write %q: a remote stack file cannot be changed", path)
	}
	info, err := os.Stat(inDir(dir, path))
	switch {
	case err == nil && !info.Mode().IsRegular():
		return Target{}, fmt.Errorf("write %q: it is no regular file", path)
	case err == nil:
		return Target{Path: path, Exists: true}, nil
	case !errors.Is(err, fs.ErrNotExist) || appendTo != "":
		return Target{}, namePath(err, path)
	}
	return Target{Path: path}, nil
}
