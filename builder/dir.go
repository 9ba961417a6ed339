package builder

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// batch is how many files of one folder a worker copies before others may
	// take over: a large folder is shared out, a small one is not.
	batch = 128
	// small is the size, in bytes, up to which a file is read and written at
	// once; larger ones are left to the kernel, which shares their blocks where
	// the file system can.
	small = copyBuffer
	// tempPrefix begins the names of files that replace others. One that a
	// crash leaves behind is stale, hence removed by the next run.
	tempPrefix = ".faas-cli-"
)

// WriteDir makes the folder dir, a path of the project, hold exactly the tree,
// as --shrinkwrap promises. Files that did not change are not touched, others
// are replaced by rename, what does not belong there is removed. Files are
// copies, sharing blocks where the file system can, and never hard links.
func (c *Context) WriteDir(ctx context.Context, dir string) error {
	name, err := (&ContextBuilder{Project: c.project}).inProject(dir)
	if err == nil && name == "." {
		err = errors.New("is the project itself")
	}
	if err != nil {
		return fmt.Errorf("write context to %q: %w", dir, err)
	}
	root, err := openDirs(c.project, name, c.dirMode)
	if err != nil {
		return fmt.Errorf("write context to %q: %w", dir, cause(err))
	}
	defer root.Close()
	w := dirWriter{show: filepath.ToSlash(name), private: c.handlerPath(), dirMode: c.dirMode}
	return w.write(ctx, root, c.tree)
}

// handlerPath lists the folders of the tree that lead to the handler.
func (c *Context) handlerPath() map[*node]bool {
	found := map[*node]bool{}
	if c.handler == "." {
		return found
	}
	n := c.tree
	for elem := range strings.SplitSeq(c.handler, "/") {
		n = n.child(elem)
		found[n] = true
	}
	return found
}

// openDirs opens the folder at name below root, making it and its parents with
// mode. What is in the way is replaced, unless it is a parent.
func openDirs(root *os.Root, name string, mode fs.FileMode) (*os.Root, error) {
	if parent := filepath.Dir(name); parent != "." {
		if err := root.MkdirAll(parent, mode); err != nil {
			return nil, err
		}
	}
	info, err := root.Lstat(name)
	if err == nil && !info.IsDir() {
		if err = root.Remove(name); err != nil {
			return nil, err
		}
		err = fs.ErrNotExist
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := root.Mkdir(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	case err != nil:
		return nil, err
	case info.Mode().Perm()&^mode != 0 || info.Mode().Perm()&0o700 != 0o700:
		if err := root.Chmod(name, mode); err != nil {
			return nil, err
		}
	}
	return root.OpenRoot(name)
}

// dirWriter makes a folder equal to a tree.
type dirWriter struct {
	show    string         // the folder, for errors
	private map[*node]bool // folders that get dirMode instead of the mode of their source
	dirMode fs.FileMode

	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // of one write, which ends before it does
	mask  fs.FileMode     // umask: bits that new files do not get by themselves

	mu   sync.Mutex
	late []lateMode
}

// lateMode is a folder whose mode would keep us from filling it.
type lateMode struct {
	path string
	mode fs.FileMode
}

func (w *dirWriter) write(ctx context.Context, root *os.Root, tree *node) error {
	var err error
	if w.mask, err = umask(root); err != nil {
		return w.failed("write", ".", err)
	}
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(max(runtime.GOMAXPROCS(0), 2))
	w.group.Go(func() error { return w.folder(root, tree, "", false) })
	if err := w.group.Wait(); err != nil {
		return err
	}
	slices.SortFunc(w.late, func(a, b lateMode) int { return strings.Compare(b.path, a.path) }) // children first
	for _, l := range w.late {
		if err := root.Chmod(l.path, l.mode); err != nil {
			return w.failed("write", l.path, err)
		}
	}
	return nil
}

// umask finds out which permission bits new files do not get. Asking the
// system would change it for the whole process.
func umask(root *os.Root) (fs.FileMode, error) {
	name := tempPrefix + rand.Text()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o777)
	if err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close(), root.Remove(name)); err != nil {
		return 0, err
	}
	return 0o777 &^ info.Mode().Perm(), nil
}

// do runs job on another goroutine if one is free, else at once.
func (w *dirWriter) do(job func() error) error {
	if w.group.TryGo(job) {
		return nil
	}
	return job()
}

// folder makes the open folder dst equal to n. fresh says that it is empty.
func (w *dirWriter) folder(dst *os.Root, n *node, prefix string, fresh bool) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	there := map[string]fs.FileMode{}
	if !fresh {
		var err error
		if there, err = w.clean(dst, n, prefix); err != nil {
			return err
		}
	}
	var files, dirs []*node
	for _, c := range n.children {
		switch c.kind {
		case fs.ModeDir:
			dirs = append(dirs, c)
		case fs.ModeSymlink:
			if err := w.link(dst, c, prefix); err != nil {
				return err
			}
		default:
			files = append(files, c)
		}
	}
	for _, c := range dirs {
		_, exists := there[c.name]
		sub, err := w.mkdir(dst, c, prefix, exists)
		if err != nil {
			return err
		}
		if err := w.do(func() error {
			defer sub.Close()
			return w.folder(sub, c, prefix+c.name+"/", !exists)
		}); err != nil {
			return err
		}
	}
	return w.files(dst, files, prefix, there)
}

// clean removes from dst what n does not have in the same kind, and returns
// what is left.
func (w *dirWriter) clean(dst *os.Root, n *node, prefix string) (map[string]fs.FileMode, error) {
	f, err := dst.Open(".")
	if err != nil {
		return nil, w.failed("read", prefix, err)
	}
	entries, err := f.ReadDir(-1)
	_ = f.Close() // only read
	if err != nil {
		return nil, w.failed("read", prefix, err)
	}
	there := make(map[string]fs.FileMode, len(entries))
	for _, e := range entries {
		if c := n.child(e.Name()); c == nil || c.kind != e.Type() {
			if err := dst.RemoveAll(e.Name()); err != nil {
				return nil, w.failed("remove", prefix+e.Name(), err)
			}
			continue
		}
		there[e.Name()] = e.Type()
	}
	return there, nil
}

// mkdir opens the folder of n in dst, making it if it is not there, with the
// mode of its source.
func (w *dirWriter) mkdir(dst *os.Root, n *node, prefix string, exists bool) (*os.Root, error) {
	info, err := n.info()
	if err != nil {
		return nil, err
	}
	mode := info.Mode().Perm()
	if w.private[n] {
		mode = w.dirMode &^ w.mask
	}
	now := mode | 0o700 // while it is filled
	if !exists {
		if err := dst.Mkdir(n.name, now); err != nil {
			return nil, w.failed("write", prefix+n.name, err)
		}
		exists = now&w.mask != 0
	}
	if exists {
		if info, err := dst.Lstat(n.name); err != nil || info.Mode().Perm() != now {
			if err := errors.Join(err, dst.Chmod(n.name, now)); err != nil {
				return nil, w.failed("write", prefix+n.name, err)
			}
		}
	}
	if now != mode {
		w.mu.Lock()
		w.late = append(w.late, lateMode{prefix + n.name, mode})
		w.mu.Unlock()
	}
	sub, err := dst.OpenRoot(n.name)
	if err != nil {
		return nil, w.failed("write", prefix+n.name, err)
	}
	return sub, nil
}

// link makes a symbolic link.
func (w *dirWriter) link(dst *os.Root, n *node, prefix string) error {
	if target, err := dst.Readlink(n.name); err == nil && target == n.link {
		return nil
	}
	temp := tempPrefix + rand.Text()
	if err := dst.Symlink(n.link, temp); err != nil {
		return w.failed("write", prefix+n.name, err)
	}
	if err := dst.Rename(temp, n.name); err != nil {
		_ = dst.Remove(temp) // the first error counts
		return w.failed("write", prefix+n.name, err)
	}
	return nil
}

// files copies the files of one folder, shared out where there are many.
func (w *dirWriter) files(dst *os.Root, files []*node, prefix string, there map[string]fs.FileMode) error {
	var shared sync.WaitGroup // dst is closed after the last of them
	defer shared.Wait()
	for len(files) > batch {
		part := files[:batch]
		files = files[batch:]
		shared.Add(1)
		if err := w.do(func() error {
			defer shared.Done()
			return w.some(dst, part, prefix, there)
		}); err != nil {
			return err
		}
	}
	return w.some(dst, files, prefix, there)
}

func (w *dirWriter) some(dst *os.Root, files []*node, prefix string, there map[string]fs.FileMode) error {
	c := copier{w: w, dst: dst, prefix: prefix}
	defer c.close()
	for _, n := range files {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		_, exists := there[n.name]
		if err := c.file(n, exists); err != nil {
			return err
		}
	}
	return nil
}

// failed names a file of the folder that is written.
func (w *dirWriter) failed(op, name string, err error) error {
	return fmt.Errorf("%s %q: %w", op, path.Join(w.show, name), cause(err))
}

// copier copies files into one folder.
type copier struct {
	w      *dirWriter
	dst    *os.Root
	prefix string

	// src is the folder that files come from at the moment, so that they are
	// opened by name.
	src     *os.Root
	srcFrom *layer
	srcDir  string
	buffer  []byte
}

func (c *copier) close() {
	if c.src != nil {
		_ = c.src.Close()
	}
}

// source opens the folder of n, unless it is open; nil where n does not come
// from the disk.
func (c *copier) source(n *node) (*os.Root, error) {
	if n.from.root == nil {
		return nil, nil
	}
	dir := path.Dir(n.path)
	if c.src != nil && c.srcFrom == n.from && c.srcDir == dir {
		return c.src, nil
	}
	c.close()
	root, err := n.from.root.OpenRoot(dir)
	if err != nil {
		return nil, n.failed("open", err)
	}
	c.src, c.srcFrom, c.srcDir = root, n.from, dir
	return root, nil
}

// file makes a regular file equal to n.
func (c *copier) file(n *node, exists bool) error {
	src, err := c.source(n)
	if err != nil {
		return err
	}
	if exists && src != nil {
		same, err := c.unchanged(src, n)
		if err != nil || same {
			return err
		}
	}
	var f fs.File
	if src != nil {
		f, err = src.Open(n.name)
	} else {
		f, err = n.open()
	}
	if err != nil {
		return n.failed("open", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return n.failed("read", err)
	}
	if !info.Mode().IsRegular() {
		return &ChangedError{Path: n.where()}
	}
	if exists {
		same, err := c.equal(f, info, n)
		if err != nil || same {
			return err
		}
	}
	return c.write(f, info, n, exists)
}

// unchanged says whether the file in dst is the copy that an earlier run made
// of n, going by what the system tells: size, mode and time of modification
// are equal, and nothing happened to the source since the copy was made. The
// last is what time of modification alone cannot say, as tools set it.
func (c *copier) unchanged(src *os.Root, n *node) (bool, error) {
	from, err := src.Lstat(n.name)
	if err != nil {
		return false, n.failed("read", err)
	}
	to, err := c.dst.Lstat(n.name)
	if err != nil {
		return false, c.w.failed("read", c.prefix+n.name, err)
	}
	return stampOf(from) == stampOf(to) && changedBefore(from, to), nil
}

// equal says whether the file in dst has the content of f, and corrects its
// mode and time if so. It leaves f at its beginning.
func (c *copier) equal(f fs.File, info fs.FileInfo, n *node) (bool, error) {
	old, err := c.dst.Open(n.name)
	if err != nil {
		return false, nil // unreadable: replace it
	}
	defer old.Close()
	was, err := old.Stat()
	if err != nil || was.Size() != info.Size() {
		return false, nil //nolint:nilerr // as above
	}
	same, err := sameContent(f, old)
	if err != nil {
		return false, n.failed("read", err)
	}
	if !same {
		if _, err := f.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			return false, n.failed("read", err)
		}
		return false, nil
	}
	if was.Mode().Perm() != info.Mode().Perm() {
		err = old.Chmod(info.Mode().Perm())
	}
	if err := errors.Join(err, c.dst.Chtimes(n.name, time.Time{}, info.ModTime())); err != nil {
		return false, c.w.failed("write", c.prefix+n.name, err)
	}
	return true, nil
}

func sameContent(a, b io.Reader) (bool, error) {
	bufA, bufB := make([]byte, copyBuffer/2), make([]byte, copyBuffer/2)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			if ended(errA) && ended(errB) {
				return true, nil
			}
			return false, errors.Join(errA, errB)
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// write copies f into dst under the name of n, replacing what is there.
func (c *copier) write(f fs.File, info fs.FileInfo, n *node, exists bool) (err error) {
	name := n.name
	if exists {
		name = tempPrefix + rand.Text()
	}
	perm := info.Mode().Perm()
	out, err := c.dst.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return c.w.failed("write", c.prefix+n.name, err)
	}
	defer func() {
		if err != nil {
			_ = out.Close()
			_ = c.dst.Remove(name) // the first error counts
		}
	}()
	if perm&c.w.mask != 0 {
		if err := out.Chmod(perm); err != nil {
			return c.w.failed("write", c.prefix+n.name, err)
		}
	}
	if err := c.content(out, f, info, n); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return c.w.failed("write", c.prefix+n.name, err)
	}
	if err := c.dst.Chtimes(name, time.Time{}, info.ModTime()); err != nil {
		return c.w.failed("write", c.prefix+n.name, err)
	}
	if exists {
		if err := c.dst.Rename(name, n.name); err != nil {
			return c.w.failed("write", c.prefix+n.name, err)
		}
	}
	return nil
}

// content copies the bytes.
func (c *copier) content(out *os.File, f fs.File, info fs.FileInfo, n *node) error {
	if c.buffer == nil {
		c.buffer = make([]byte, small+1)
	}
	if info.Size() <= small {
		// One byte more is asked for, to notice a file that grew.
		got, err := io.ReadFull(f, c.buffer[:info.Size()+1])
		if err != nil && !ended(err) {
			return n.failed("read", err)
		}
		if int64(got) != info.Size() {
			return &ChangedError{Path: n.where()}
		}
		if _, err := out.Write(c.buffer[:got]); err != nil {
			return c.w.failed("write", c.prefix+n.name, err)
		}
		return nil
	}
	if err := copyLarge(c.w.ctx, out, f, info, c.buffer); err != nil {
		return fmt.Errorf("copy %q to %q: %w", n.where(), path.Join(c.w.show, c.prefix+n.name), cause(err))
	}
	after, err := f.Stat()
	if err != nil {
		return n.failed("read", err)
	}
	if stampOf(after) != stampOf(info) {
		return &ChangedError{Path: n.where()}
	}
	return nil
}

// largeChunk is how much of a large file is copied between two looks at the
// context, in bytes.
const largeChunk = 64 << 20

// copyRange copies size bytes at the current offsets; fewer if f ends.
func copyRange(ctx context.Context, out *os.File, f io.Reader, size int64, buffer []byte) error {
	for size > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		chunk := io.LimitedReader{R: f, N: min(size, largeChunk)}
		copied, err := io.CopyBuffer(out, &chunk, buffer) // copy_file_range where there is one
		if err != nil {
			return err
		}
		if copied == 0 {
			return nil
		}
		size -= copied
	}
	return nil
}
