package chart

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listFile names what the last export wrote into a folder, one path a line, so
// that the next one can take away what has gone from the chart, and nothing
// else.
const listFile = ".faas-cli-export"

// CheckTarget refuses a folder that is surely not meant to be filled with
// generated files: the root, the home, and the working folder or one above it.
// dir and cwd are absolute.
func CheckTarget(dir, cwd, home string) error {
	real := resolve(dir)
	for _, precious := range []struct{ dir, what string }{{cwd, "the working folder"}, {home, "your home"}} {
		if precious.dir == "" {
			continue
		}
		if rel, err := filepath.Rel(real, resolve(precious.dir)); err == nil && filepath.IsLocal(rel) {
			return fmt.Errorf("refuse to write to %q: it is %s, or above it", dir, precious.what)
		}
	}
	return nil
}

// resolve follows the links of a path as far as it exists.
func resolve(p string) string {
	if p == "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	parent := filepath.Dir(p)
	if parent == p {
		return p
	}
	return filepath.Join(resolve(parent), filepath.Base(p))
}

// Export writes the resources into dir, which is made if missing, and removes
// what an earlier export wrote there and this one does not. Other files stay.
// Links inside dir that lead out of it are not followed.
func Export(dir string, resources []Resource) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	old, err := readList(root)
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for _, r := range resources {
		if err := root.MkdirAll(path.Dir(r.Path), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(r.Path, r.Content, 0o644); err != nil {
			return err
		}
		old = slices.DeleteFunc(old, func(p string) bool { return p == r.Path })
		fmt.Fprintln(&list, r.Path)
	}
	for _, p := range old {
		if err := root.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = root.Remove(path.Dir(p)) // only if that was the last file
	}
	return root.WriteFile(listFile, list.Bytes(), 0o644)
}

func readList(root *os.Root) ([]string, error) {
	b, err := root.ReadFile(listFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		// Only what an export can have written: kind/name.yaml.
		if p := sc.Text(); strings.Count(p, "/") == 1 && fs.ValidPath(p) && strings.HasSuffix(p, ".yaml") {
			paths = append(paths, p)
		}
	}
	return paths, nil
}
