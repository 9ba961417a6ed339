package templates

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// stagePrefix marks folders that are being prepared or removed.
const stagePrefix = ".faas-cli-"

// errDamaged says that what was copied from the cache is not what its name
// says.
var errDamaged = errors.New("cache entry damaged")

// install puts the content with the digest into the folder of the template:
// whole or not at all, over whatever was there. Missing parents are made, and
// taken away again on failure.
func (f *Folder) install(ctx context.Context, c *Cache, name, digest string, meta Meta) error {
	root, undo, err := f.parents(name)
	if err != nil {
		return fmt.Errorf("install template %q: %w", name, err)
	}
	defer root.Close()
	stage := stagePrefix + rand.Text()
	err = stageTree(ctx, root, stage, c.tree(digest), name, digest, meta)
	if err == nil {
		err = swap(root, stage, filepath.FromSlash(name))
	}
	if err != nil {
		_ = root.RemoveAll(stage)
		undo()
		if errors.Is(err, errDamaged) {
			return err
		}
		return fmt.Errorf("install template %q: %w", name, err)
	}
	return nil
}

// parents opens the template folder and makes the folders that are to hold the
// template, if need be; undo removes what was made and is still empty.
func (f *Folder) parents(name string) (root *os.Root, undo func(), err error) {
	var made []string
	undo = func() {
		for i := len(made) - 1; i >= 0; i-- {
			_ = f.project.Remove(made[i]) // fails where it is no longer empty
		}
	}
	at := ""
	for elem := range strings.SplitSeq(path.Dir(path.Join(Dir, name)), "/") {
		at = filepath.Join(at, elem)
		switch err := f.project.Mkdir(at, 0o755); {
		case err == nil:
			made = append(made, at)
		case !errors.Is(err, fs.ErrExist):
			undo()
			return nil, nil, err
		}
	}
	root, err = f.project.OpenRoot(Dir)
	if err != nil {
		undo()
		return nil, nil, err
	}
	return root, undo, nil
}

// sweep removes what killed processes were preparing or removing. No other
// process may be at work in the project.
func (f *Folder) sweep() error {
	root, err := f.project.OpenRoot(Dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagePrefix) {
			err = errors.Join(err, root.RemoveAll(e.Name()))
		}
	}
	return err
}

// stageTree copies a content of the cache, and verifies it on the way.
func stageTree(ctx context.Context, root *os.Root, stage, from, name, digest string, meta Meta) error {
	src, err := os.OpenRoot(from)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return errDamaged
		}
		return err
	}
	defer src.Close()
	w, err := newTreeWriter(root, stage)
	if err != nil {
		return err
	}
	defer w.close()
	w.template = name
	fsys := src.FS()
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return copyEntry(fsys, w, p, d)
	})
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return err
	}
	if digestOf(w.sums) != digest {
		return errDamaged
	}
	line, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	return w.root.WriteFile(MetaFile, line, 0o644)
}

// copyEntry copies one file of a tree.
func copyEntry(fsys fs.FS, w *treeWriter, p string, d fs.DirEntry) error {
	if p == MetaFile {
		return nil // the repository's own; ours takes its place
	}
	file := treeFile{path: p, mode: modeFile}
	if d.Type()&fs.ModeSymlink != 0 {
		target, err := fs.ReadLink(fsys, p)
		if err != nil {
			return err
		}
		file.mode = modeLink
		return w.add(file, int64(len(target)), strings.NewReader(target))
	}
	in, err := fsys.Open(p)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errDamaged
	}
	if info.Mode()&0o100 != 0 {
		file.mode = modeExec
	}
	return w.add(file, info.Size(), in)
}

// swap makes stage the folder of the template. What was there is moved aside first and
// back if that fails; a second process doing the same at once only means
// another round.
func swap(root *os.Root, stage, name string) error {
	const rounds = 10
	var err error
	for range rounds {
		old := stagePrefix + rand.Text()
		moved := root.Rename(name, old) == nil
		if err = root.Rename(stage, name); err == nil {
			if moved {
				return root.RemoveAll(old)
			}
			return nil
		}
		if moved {
			if back := root.Rename(old, name); back != nil { // somebody else's is there
				_ = root.RemoveAll(old)
			}
		}
	}
	return err
}

// Remove deletes an installed template; ErrNotFound if there is none.
func (f *Folder) Remove(name string) error {
	n, err := ParseName(name)
	if err != nil {
		return err
	}
	has, err := f.Has(name)
	if err != nil {
		return err
	}
	if !has {
		return &NotFoundError{Name: name, Where: "in ./" + Dir}
	}
	root, err := f.project.OpenRoot(Dir)
	if err != nil {
		return fmt.Errorf("remove template %q: %w", name, err)
	}
	defer root.Close()
	gone := stagePrefix + rand.Text()
	if err := root.Rename(filepath.FromSlash(n.String()), gone); err != nil { // so that no half of it is ever seen
		return fmt.Errorf("remove template %q: %w", name, err)
	}
	if err := root.RemoveAll(gone); err != nil {
		return fmt.Errorf("remove template %q: %w", name, err)
	}
	for dir := path.Dir(n.String()); dir != "."; dir = path.Dir(dir) {
		_ = f.project.Remove(filepath.Join(Dir, filepath.FromSlash(dir))) // the empty folders of a ref's slashes
	}
	return nil
}
