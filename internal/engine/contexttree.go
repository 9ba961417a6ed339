package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// contextTree shows an fs.FS to BuildKit's file transfer.
//
// The transfer itself skips what it cannot stat and sends an empty file for what it cannot open.
// An image with holes would be the result, so the first such failure stops the build.
type contextTree struct {
	fsys fs.FS
	stop context.CancelCauseFunc

	mu  sync.Mutex
	err error
}

var _ fsutil.FS = (*contextTree)(nil)

// failure returns the first thing that could not be read.
func (t *contextTree) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *contextTree) fail(err error) error {
	err = fmt.Errorf("build context: %w", err)
	t.mu.Lock()
	if t.err == nil {
		t.err = err
	}
	t.mu.Unlock()
	t.stop(err)
	return err
}

// Walk calls fn for target and everything below it, in the order that the receiver insists on:
// each folder before its content, names sorted.
func (t *contextTree) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	root := strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(target)), "/")
	if root == "" {
		root = "."
	}
	return fs.WalkDir(t.fsys, root, func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if name == "." && err == nil {
			return nil
		}
		switch {
		case err == nil:
			err = fn(filepath.FromSlash(name), &treeEntry{DirEntry: d, tree: t, name: name}, nil)
		case d == nil && errors.Is(err, fs.ErrNotExist):
			return nil // target itself, which the Dockerfile may name although it is not there
		case errors.Is(err, fs.ErrPermission):
			// fn decides: it forgives this for folders that it was going to leave out.
			if err = fn(filepath.FromSlash(name), &treeEntry{DirEntry: d, tree: t, name: name}, err); err != nil {
				return t.fail(err)
			}
		default:
			return t.fail(err)
		}
		return err
	})
}

// Open is asked for what the engine lacks. The result checks that the file stayed as it was while
// it was read.
func (t *contextTree) Open(name string) (io.ReadCloser, error) {
	f, err := t.fsys.Open(filepath.ToSlash(name))
	if err != nil {
		return nil, t.fail(err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, t.fail(err)
	}
	return &treeFile{File: f, tree: t, name: name, before: info}, nil
}

type treeFile struct {
	fs.File
	tree   *contextTree
	name   string
	before fs.FileInfo
}

func (f *treeFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		return n, f.tree.fail(err)
	}
	after, serr := f.Stat()
	if serr != nil {
		return n, f.tree.fail(serr)
	}
	if after.Size() != f.before.Size() || !after.ModTime().Equal(f.before.ModTime()) {
		return n, f.tree.fail(fmt.Errorf("%q changed while it was read", f.name))
	}
	return n, io.EOF
}

// treeEntry describes one path, and only when asked: most of a tree is never needed.
type treeEntry struct {
	fs.DirEntry
	tree *contextTree
	name string
}

func (e *treeEntry) Info() (fs.FileInfo, error) {
	st, err := e.stat()
	if err != nil {
		return nil, e.tree.fail(err)
	}
	return &fsutil.StatInfo{Stat: st}, nil
}

// stat leaves out owners: what a person's user ID is must not reach an image or its cache.
func (e *treeEntry) stat() (*types.Stat, error) {
	info, err := e.DirEntry.Info()
	if err != nil {
		return nil, err
	}
	mode := info.Mode()
	st := &types.Stat{Path: e.name, Mode: uint32(mode)}
	if t := info.ModTime(); t.Unix() > 0 {
		st.ModTime = t.UnixNano()
	}
	switch {
	case mode.IsDir():
	case mode&fs.ModeSymlink != 0:
		if st.Linkname, err = fs.ReadLink(e.tree.fsys, e.name); err != nil {
			return nil, err
		}
		st.Size = int64(len(st.Linkname))
	case mode.IsRegular():
		st.Size = info.Size()
		if st.ModTime == 0 {
			st.ModTime, err = e.tree.contentTime(e.name)
		}
	default:
		err = &fs.PathError{Op: "read", Path: e.name, Err: errors.New("neither a file, a folder nor a link")}
	}
	return st, err
}

// contentTime makes up a modification time for a file that has none, such as one embedded in a
// binary: the receiver would take another version of the same size for the same file. The result
// lies between 1980 and 2010.
func (t *contextTree) contentTime(name string) (int64, error) {
	f, err := t.fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	h := fnv.New64a()
	if _, err := io.Copy(h, f); err != nil {
		return 0, err
	}
	const from, span = 315532800, 946684800 // seconds
	return (from + int64(h.Sum64()%span)) * 1e9, nil
}
