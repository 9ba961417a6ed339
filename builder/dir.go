package builder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	// batch is how many files of one folder a worker copies before others may
	// take over: a large folder is shared out, a small one is not.
	batch = 128
	// small is the size, in bytes, up to which a file is read and written at
	// once; larger ones are left to the kernel, which shares their blocks where
	// the file system can.
	small = 32 << 10
	// tempPrefix begins the names of files that replace others. One that a
	// crash leaves behind is stale, so the next run removes it.
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
	root, fresh, err := openDirs(c.project, name, c.dirMode)
	if err != nil {
		return fmt.Errorf("write context to %q: %w", dir, cause(err))
	}
	defer root.Close()
	defer c.hold()()
	w := dirWriter{
		root: root, fresh: fresh, show: filepath.ToSlash(name),
		private: c.handlerPath(), dirMode: c.dirMode, umask: c.umask, buffers: c.buffers,
	}
	return w.write(ctx, c.tree)
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
// mode; fresh says that it was not there. What is in the way is replaced, unless
// it is a parent.
func openDirs(root *os.Root, name string, mode fs.FileMode) (dir *os.Root, fresh bool, err error) {
	if parent := filepath.Dir(name); parent != "." {
		if err := root.MkdirAll(parent, mode); err != nil {
			return nil, false, err
		}
		if err := noLinks(root, parent); err != nil {
			return nil, false, err
		}
	}
	err = root.Mkdir(name, mode)
	fresh = err == nil
	if errors.Is(err, fs.ErrExist) {
		err = takeOver(root, name, mode)
	}
	if err != nil {
		return nil, false, err
	}
	dir, err = root.OpenRoot(name)
	return dir, fresh, err
}

// takeOver makes what is at name a folder of ours.
func takeOver(root *os.Root, name string, mode fs.FileMode) error {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return errors.Join(root.Remove(name), root.Mkdir(name, mode))
	case info.Mode().Perm()&^mode != 0 || info.Mode().Perm()&0o700 != 0o700:
		return root.Chmod(name, mode)
	}
	return nil
}

// noLinks refuses a path that leads through a link: what is removed and
// written below it would be other files of the project.
func noLinks(root *os.Root, name string) error {
	for ; name != "."; name = filepath.Dir(name) {
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		if info.Mode().Type() == fs.ModeSymlink {
			return fmt.Errorf("%q is a link", filepath.ToSlash(name))
		}
	}
	return nil
}

// dirWriter makes a folder equal to a tree.
type dirWriter struct {
	root    *os.Root
	fresh   bool           // the folder is new and empty
	show    string         // the folder, for errors
	private map[*node]bool // folders that get dirMode instead of the mode of their source
	dirMode fs.FileMode

	group *errgroup.Group
	alone bool            // the tree is too small to be worth other goroutines
	ctx   context.Context //nolint:containedctx // of one write, which ends before it does
	umask func(*os.Root) (fs.FileMode, error)
	mask  fs.FileMode // bits that new files do not get by themselves

	buffers *sync.Pool // of *[]byte with small+1 bytes; shared with writers of other folders

	mu   sync.Mutex
	late []lateMode
}

// lateMode is a folder whose mode would keep us from filling it.
type lateMode struct {
	path string
	mode fs.FileMode
}

func (w *dirWriter) write(ctx context.Context, tree *node) error {
	var err error
	if w.mask, err = w.umask(w.root); err != nil {
		return w.failed("write", ".", err)
	}
	top, err := openFolder(w.root)
	if err != nil {
		return w.failed("write", ".", err)
	}
	defer top.close()
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.alone = tree.count() <= 2*batch
	w.group.SetLimit(max(runtime.GOMAXPROCS(0), 2))
	w.group.Go(func() error { return w.folder(top, tree, "", w.fresh) })
	if err := w.group.Wait(); err != nil {
		return err
	}
	slices.SortFunc(w.late, func(a, b lateMode) int { return strings.Compare(b.path, a.path) }) // children first
	for _, l := range w.late {
		if err := w.root.Chmod(l.path, l.mode); err != nil {
			return w.failed("write", l.path, err)
		}
	}
	return nil
}

// onceMask is the umask, found out once.
type onceMask struct {
	mu    sync.Mutex
	known bool
	mask  fs.FileMode
}

func (o *onceMask) of(root *os.Root) (mask fs.FileMode, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		if o.mask, err = umask(root); err == nil {
			o.known = true
		}
	}
	return o.mask, err
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
	if !w.alone && w.group.TryGo(job) {
		return nil
	}
	return job()
}

// folder makes the open folder dst equal to n. fresh says that it is empty.
func (w *dirWriter) folder(dst folder, n *node, prefix string, fresh bool) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	there := make([]bool, len(n.children)) // entries that dst has already, of the same kind
	if !fresh {
		if err := w.clean(dst, n, prefix, there); err != nil {
			return err
		}
	}
	files := 0
	for i, c := range n.children {
		switch c.kind {
		case fs.ModeDir:
			sub, err := w.mkdir(dst, c, prefix, there[i])
			if err != nil {
				return err
			}
			if err := w.do(func() error {
				defer sub.close()
				return w.folder(sub, c, prefix+c.name+"/", !there[i])
			}); err != nil {
				return err
			}
		case fs.ModeSymlink:
			if err := w.link(c, prefix); err != nil {
				return err
			}
		default:
			files++
		}
	}
	if files == 0 {
		return nil
	}
	return w.files(dst, n.children, there, prefix)
}

// clean removes from dst what n does not have in the same kind, and notes what
// is left.
func (w *dirWriter) clean(dst folder, n *node, prefix string, there []bool) error {
	entries, err := dst.list()
	if err != nil {
		return w.failed("read", prefix, err)
	}
	for _, e := range entries {
		if i := n.find(e.name); i >= 0 && n.children[i].kind == e.kind {
			there[i] = true
		} else if err := w.root.RemoveAll(prefix + e.name); err != nil {
			return w.failed("remove", prefix+e.name, err)
		}
	}
	return nil
}

// mkdir opens the folder of n in dst, making it if it is not there, with the
// mode of its source.
func (w *dirWriter) mkdir(dst folder, n *node, prefix string, exists bool) (sub folder, err error) {
	mode := n.mode.Perm()
	switch {
	case w.private[n]:
		mode = w.dirMode &^ w.mask
	case n.mode == 0:
		info, err := n.info()
		if err != nil {
			return sub, err
		}
		mode = info.Mode().Perm()
	}
	now := mode | 0o700 // while it is filled
	if !exists {
		if err := dst.mkdir(n.name, now); err != nil {
			return sub, w.failed("write", prefix+n.name, err)
		}
		exists = now&w.mask != 0
	}
	if exists {
		if look, err := dst.look(n.name); err != nil || look.mode != now {
			if err := errors.Join(err, w.root.Chmod(prefix+n.name, now)); err != nil {
				return sub, w.failed("write", prefix+n.name, err)
			}
		}
	}
	if now != mode {
		w.mu.Lock()
		w.late = append(w.late, lateMode{prefix + n.name, mode})
		w.mu.Unlock()
	}
	if sub, err = dst.open(n.name); err != nil {
		return sub, w.failed("write", prefix+n.name, err)
	}
	return sub, nil
}

// link makes a symbolic link.
func (w *dirWriter) link(n *node, prefix string) error {
	if target, err := w.root.Readlink(prefix + n.name); err == nil && target == n.link {
		return nil
	}
	temp := prefix + tempPrefix + rand.Text()
	if err := w.root.Symlink(n.link, temp); err != nil {
		return w.failed("write", prefix+n.name, err)
	}
	if err := w.root.Rename(temp, prefix+n.name); err != nil {
		_ = w.root.Remove(temp) // the first error counts
		return w.failed("write", prefix+n.name, err)
	}
	return nil
}

// files copies the regular files among the entries of one folder, shared out
// where there are many.
func (w *dirWriter) files(dst folder, entries []*node, there []bool, prefix string) error {
	var shared sync.WaitGroup
	defer shared.Wait() // before dst is closed
	for len(entries) > batch {
		part, has := entries[:batch], there[:batch]
		entries, there = entries[batch:], there[batch:]
		shared.Add(1)
		if err := w.do(func() error {
			defer shared.Done()
			return w.some(dst, part, has, prefix)
		}); err != nil {
			return err
		}
	}
	return w.some(dst, entries, there, prefix)
}

func (w *dirWriter) some(dst folder, entries []*node, there []bool, prefix string) error {
	buffer, _ := w.buffers.Get().(*[]byte)
	if buffer == nil {
		b := make([]byte, small+1)
		buffer = &b
	}
	defer w.buffers.Put(buffer)
	c := copier{w: w, to: dst, prefix: prefix, buffer: *buffer}
	defer c.src.close()
	for i, n := range entries {
		if n.kind != 0 {
			continue
		}
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		if err := c.file(n, there[i]); err != nil {
			return err
		}
	}
	return nil
}

// failed names a file of the folder that is written.
func (w *dirWriter) failed(op, name string, err error) error {
	return fmt.Errorf("%s %q: %w", op, path.Join(w.show, name), cause(err))
}
