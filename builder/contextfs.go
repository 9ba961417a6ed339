package builder

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// FS is the tree as engines that want a Dockerfile get it: without what
// .dockerignore leaves out. It implements [fs.ReadLinkFS], [fs.ReadDirFS] and
// [fs.StatFS]; links are not followed by Open, nor by Stat. Regular files that
// it opens are *os.File where they come from the disk.
//
// A file that was read for a fingerprint is described as it was then, and can
// be opened only while it looks the same (else a [ChangedError]): whoever sends
// the tree sends what the fingerprint says.
func (c *Context) FS() fs.FS { return treeFS{c, c.sent} }

// treeFS is a tree of a context as a file system.
type treeFS struct {
	c    *Context
	root *node
}

var (
	_ fs.ReadLinkFS = treeFS{}
	_ fs.ReadDirFS  = treeFS{}
	_ fs.StatFS     = treeFS{}
)

func (t treeFS) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n := t.root.lookup(name)
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// Open opens a file or a folder.
func (t treeFS) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	switch n.kind {
	case fs.ModeDir:
		return &treeDir{c: t.c, n: n}, nil
	case 0:
		return t.c.openAsSeen(n)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("is a symbolic link")}
}

// ReadDir lists a folder by name.
func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.isDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNoFolder}
	}
	return (&treeDir{c: t.c, n: n}).ReadDir(-1)
}

// Stat is Lstat.
func (t treeFS) Stat(name string) (fs.FileInfo, error) { return t.Lstat(name) }

// Lstat describes an entry.
func (t treeFS) Lstat(name string) (fs.FileInfo, error) {
	n, err := t.find("lstat", name)
	if err != nil {
		return nil, err
	}
	return t.c.infoAsSeen(n)
}

// ReadLink returns the target of a link: relative, and inside of the tree.
func (t treeFS) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name)
	if err != nil {
		return "", err
	}
	if n.kind != fs.ModeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.link, nil
}

// treeDir is an open folder.
type treeDir struct {
	c    *Context
	n    *node
	next int
}

var _ fs.ReadDirFile = (*treeDir)(nil)

// Stat describes the folder.
func (d *treeDir) Stat() (fs.FileInfo, error) { return d.n.info() }

// Close does nothing.
func (d *treeDir) Close() error { return nil }

// Read fails: it is a folder.
func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.n.name, Err: errors.New("is a folder")}
}

// ReadDir returns the next count entries; all that are left below 1.
func (d *treeDir) ReadDir(count int) ([]fs.DirEntry, error) {
	left := d.n.children[d.next:]
	if count > 0 {
		if len(left) == 0 {
			return nil, io.EOF
		}
		left = left[:min(count, len(left))]
	}
	d.next += len(left)
	entries := make([]fs.DirEntry, 0, len(left))
	for _, c := range left {
		entries = append(entries, treeEntry{d.c, c})
	}
	return entries, nil
}

// treeEntry is a node as an entry of a folder.
type treeEntry struct {
	c *Context
	n *node
}

// The methods of fs.DirEntry.
func (e treeEntry) Name() string               { return e.n.name }
func (e treeEntry) IsDir() bool                { return e.n.isDir() }
func (e treeEntry) Type() fs.FileMode          { return e.n.kind }
func (e treeEntry) Info() (fs.FileInfo, error) { return e.c.infoAsSeen(e.n) }

// asSeen is what was read of n, if it was.
func (c *Context) asSeen(n *node) (seen, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.digests[n]
	return s, ok
}

// infoAsSeen describes n: as it was read, if it was.
func (c *Context) infoAsSeen(n *node) (fs.FileInfo, error) {
	if s, ok := c.asSeen(n); ok {
		return seenInfo{n.name, s.stamp}, nil
	}
	return n.info()
}

// openAsSeen opens n if it is still what was read, if it was.
func (c *Context) openAsSeen(n *node) (fs.File, error) {
	f, err := n.open()
	if err != nil {
		return nil, err
	}
	s, ok := c.asSeen(n)
	if !ok {
		return f, nil
	}
	info, err := f.Stat()
	if err == nil && stampOf(info) != s.stamp {
		err = &ChangedError{Path: n.where()}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// seenInfo describes a regular file as it was read.
type seenInfo struct {
	name  string
	stamp stamp
}

// The methods of fs.FileInfo.
func (i seenInfo) Name() string       { return i.name }
func (i seenInfo) Size() int64        { return i.stamp.size }
func (i seenInfo) Mode() fs.FileMode  { return i.stamp.mode }
func (i seenInfo) ModTime() time.Time { return time.Unix(0, i.stamp.modTime) }
func (seenInfo) IsDir() bool          { return false }
func (seenInfo) Sys() any             { return nil }
