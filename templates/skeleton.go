package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// What template new writes, with {{NAME}} in place of the template's name.
//
//go:embed all:skeletons
var skeletonFiles embed.FS

// namePlaceholder stands for the template's name in skeletons.
const namePlaceholder = "{{NAME}}"

// Skeletons names what a new template can start from.
func Skeletons() []string {
	return append(Embedded(), "dockerfile", "blank")
}

// skeletonPerm is the mode of the files that a skeleton writes.
const skeletonPerm = 0o644

// New writes a new template below the folder template of root, and beside it a
// README and a workflow for continuous integration where there is none yet. It
// returns the paths that it wrote, and fails with ErrExists or ErrInvalidName,
// leaving nothing.
func New(root *os.Root, name, from string) (written []string, err error) {
	if err := checkBase(name); err != nil {
		return nil, fmt.Errorf("template name %q: %w: %s", name, ErrInvalidName, err)
	}
	if !slices.Contains(Skeletons(), from) {
		return nil, fmt.Errorf("there is nothing called %q to start a template from, only %s", from, strings.Join(Skeletons(), ", "))
	}
	dir := templatePath(name)
	if _, err := root.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("template %q: %w", name, ErrExists)
	}
	if err := root.Mkdir(Dir, 0o755); err == nil {
		defer func() {
			if len(written) == 0 {
				_ = root.Remove(Dir)
			}
		}()
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	var tree fs.FS
	if slices.Contains(Embedded(), from) {
		tree = embedFS{path.Join("embedded", from)}
	} else if tree, err = fs.Sub(skeletonFiles, path.Join("skeletons", from)); err != nil {
		return nil, err
	}
	if err := writeSkeleton(root, dir, name, from, tree); err != nil {
		return nil, errors.Join(err, root.RemoveAll(dir))
	}
	written = []string{path.Join(Dir, name)}
	for _, extra := range []struct{ file, from string }{
		{"README.md", "README.md"}, {".github/workflows/templates.yml", "workflow.yml"},
	} {
		made, err := writeOnce(root, extra.file, extra.from, name)
		if err != nil {
			return written, err
		}
		if made {
			written = append(written, extra.file)
		}
	}
	return written, nil
}

// writeSkeleton writes the files of a new template.
func writeSkeleton(root *os.Root, dir, name, from string, tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(p))
		if d.IsDir() {
			return root.Mkdir(target, 0o755)
		}
		data, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		data = bytes.ReplaceAll(data, []byte(namePlaceholder), []byte(name))
		if p == ConfigFile { // an embedded one has its own name there
			data = bytes.Replace(data, []byte("language: "+from+"\n"), []byte("language: "+name+"\n"), 1)
		}
		perm := fs.FileMode(skeletonPerm)
		if bytes.HasPrefix(data, []byte("#!")) {
			perm = 0o755
		}
		return root.WriteFile(target, data, perm)
	})
}

// writeOnce writes a file beside the template folder unless it is there.
func writeOnce(root *os.Root, file, from, name string) (bool, error) {
	if _, err := root.Lstat(filepath.FromSlash(file)); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	data, err := skeletonFiles.ReadFile(path.Join("skeletons", from))
	if err != nil {
		return false, err
	}
	if err := root.MkdirAll(filepath.FromSlash(path.Dir(file)), 0o755); err != nil {
		return false, err
	}
	return true, root.WriteFile(filepath.FromSlash(file), bytes.ReplaceAll(data, []byte(namePlaceholder), []byte(name)), skeletonPerm)
}
