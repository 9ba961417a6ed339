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
	"time"
)

// copier copies files into one folder. Small files, which most are, take the
// short way: each is opened by name in an open folder, read and written at
// once. Large ones are left to the kernel.
type copier struct {
	w      *dirWriter
	to     folder
	prefix string // the path of to, with a slash at the end

	src    sourceFolder
	buffer []byte // small+1 bytes
	other  []byte // as many, once they are needed
}

// second is another buffer of the same size.
func (c *copier) second() []byte {
	if c.other == nil {
		c.other = make([]byte, len(c.buffer))
	}
	return c.other
}

// file makes a regular file equal to n. exists says that there is a regular
// file of its name.
func (c *copier) file(n *node, exists bool) error {
	if n.from.disk == nil {
		return c.slow(n, exists)
	}
	if look, content, ok := n.from.kept.get(n); ok && !exists {
		return c.create(n, look, content)
	}
	if err := c.src.enter(n); err != nil {
		return err
	}
	if exists {
		same, err := c.unchanged(n)
		if err != nil || same {
			return err
		}
	}
	if !exists && n.from.kept == nil && c.to.send(n.name, c.src.folder, n.base, int64(len(c.buffer)), c.w.mask) {
		return nil
	}
	look, content, err := c.src.read(n.base, c.buffer)
	switch {
	case errors.Is(err, errLarge):
		return c.slow(n, exists)
	case errors.Is(err, errTorn):
		return &ChangedError{Path: n.where()}
	case err != nil:
		return n.failed("open", err)
	}
	if exists {
		was, old, err := c.to.read(n.name, c.second())
		if err == nil && bytes.Equal(content, old) {
			return c.correct(n, look.stamp, was.stamp)
		}
		return c.replace(n, func(name string) error { return c.to.write(name, content, look.stamp, c.w.mask) })
	}
	n.from.kept.put(n, look, content)
	return c.create(n, look, content)
}

// create writes a file that is not there.
func (c *copier) create(n *node, look look, content []byte) error {
	if err := c.to.write(n.name, content, look.stamp, c.w.mask); err != nil {
		return c.failed(n, err)
	}
	return nil
}

func (c *copier) failed(n *node, err error) error { return c.w.failed("write", c.prefix+n.name, err) }

// unchanged says whether the file in dst is the copy that an earlier run made
// of n, going by what the system tells: size, mode and time of modification
// are equal, and nothing happened to the source since the copy was made. The
// last is what time of modification alone cannot say, as tools set it.
func (c *copier) unchanged(n *node) (bool, error) {
	from, err := c.src.look(n.base)
	if err != nil {
		return false, n.failed("read", err)
	}
	to, err := c.to.look(n.name)
	if err != nil {
		return false, c.w.failed("read", c.prefix+n.name, err)
	}
	return from.stamp == to.stamp && from.changed < to.changed, nil
}

// correct gives a file with the right content the right mode and time.
func (c *copier) correct(n *node, want, has stamp) error {
	var err error
	if has.mode.Perm() != want.mode.Perm() {
		err = c.w.root.Chmod(c.prefix+n.name, want.mode.Perm())
	}
	if err := errors.Join(err, c.w.root.Chtimes(c.prefix+n.name, time.Time{}, time.Unix(0, want.modTime))); err != nil {
		return c.failed(n, err)
	}
	return nil
}

// replace writes a file under another name and gives it that of n.
func (c *copier) replace(n *node, write func(name string) error) error {
	name := tempPrefix + rand.Text()
	err := write(name)
	if err == nil {
		err = c.w.root.Rename(c.prefix+name, c.prefix+n.name)
	}
	if err != nil {
		_ = c.w.root.Remove(c.prefix + name) // the first error counts
		return c.failed(n, err)
	}
	return nil
}

// slow copies a file of any size, from wherever it comes.
func (c *copier) slow(n *node, exists bool) error {
	f, err := n.open()
	if err != nil {
		return err
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
		return c.replace(n, func(name string) error { return c.copy(name, f, info, n) })
	}
	if _, isFile := f.(*os.File); !isFile && info.Size() <= small { // embedded in the program
		content := c.buffer[:info.Size()]
		if _, err := io.ReadFull(f, content); err != nil {
			return n.failed("read", err)
		}
		if err := c.to.write(n.name, content, stampOf(info), c.w.mask); err != nil {
			return c.failed(n, err)
		}
		return nil
	}
	if err := c.copy(n.name, f, info, n); err != nil {
		_ = c.w.root.Remove(c.prefix + n.name) // the first error counts
		return c.failed(n, err)
	}
	return nil
}

// equal says whether the file in dst has the content of f, and corrects its
// mode and time if so. Otherwise it leaves f at its beginning.
func (c *copier) equal(f fs.File, info fs.FileInfo, n *node) (bool, error) {
	old, err := c.w.root.Open(c.prefix + n.name)
	if err != nil {
		return false, nil //nolint:nilerr // unreadable: replace it
	}
	defer old.Close()
	was, err := old.Stat()
	if err != nil || was.Size() != info.Size() {
		return false, nil //nolint:nilerr // as above
	}
	same, err := c.sameContent(f, old)
	if err != nil {
		return false, n.failed("read", err)
	}
	if same {
		return true, c.correct(n, stampOf(info), stampOf(was))
	}
	seeker, ok := f.(io.Seeker)
	if !ok {
		return false, n.failed("read", errors.ErrUnsupported)
	}
	if _, err := seeker.Seek(0, io.SeekStart); err != nil {
		return false, n.failed("read", err)
	}
	return false, nil
}

func (c *copier) sameContent(a, b io.Reader) (bool, error) {
	for other := c.second(); ; {
		n, errA := io.ReadFull(a, c.buffer)
		m, errB := io.ReadFull(b, other)
		if !bytes.Equal(c.buffer[:n], other[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			if ended(errA) && ended(errB) {
				return true, nil
			}
			return false, errors.Join(errA, errB)
		}
		if c.w.ctx.Err() != nil {
			return false, context.Cause(c.w.ctx)
		}
	}
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// copy writes the content of f to a new file of dst.
func (c *copier) copy(name string, f fs.File, info fs.FileInfo, n *node) (err error) {
	perm := info.Mode().Perm()
	name = c.prefix + name
	out, err := c.w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close(), c.w.root.Chtimes(name, time.Time{}, info.ModTime())) }()
	if perm&c.w.mask != 0 {
		if err := out.Chmod(perm); err != nil {
			return err
		}
	}
	if err := copyLarge(c.w.ctx, out, f, info, c.buffer); err != nil {
		return fmt.Errorf("copy %q: %w", n.where(), cause(err))
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

var (
	// errLarge says that a file is too large to be read at once.
	errLarge = errors.New("large")
	// errTorn says that a file had another size than it said, or is none.
	errTorn = errors.New("changed")
)

// look is what a file looks like from outside.
type look struct {
	stamp
	// changed is when anything at all happened to the file last, in ns; no tool
	// can set it. Where the system does not tell, it is 0 and never earlier.
	changed int64
}
