package builder

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// copyBuffer is the size of the buffer that files are copied through, in
// bytes: enough to hide the cost of a system call.
const copyBuffer = 128 << 10

// WriteTar writes what [Context.FS] holds as an uncompressed tar. Names are
// sorted, times and owners fixed: same files, same bytes.
func (c *Context) WriteTar(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	if err := writeTree(ctx, tw, c.sent, "", exactMode); err != nil {
		return err
	}
	return tw.Close()
}

// exactMode keeps the permission bits of the source.
func exactMode(mode fs.FileMode) int64 { return int64(mode.Perm()) }

// plainMode keeps of a mode what a checkout keeps, so that an image does not
// depend on the umask of who made it.
func plainMode(mode fs.FileMode) int64 {
	if mode.IsDir() || mode.Perm()&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// writeTree writes the entries below n, each under prefix.
func writeTree(ctx context.Context, tw *tar.Writer, n *node, prefix string, mode func(fs.FileMode) int64) error {
	buffer := make([]byte, copyBuffer)
	return n.walk(func(name string, n *node) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		h := &tar.Header{Name: path.Join(prefix, name), ModTime: time.Unix(0, 0)}
		switch n.kind {
		case fs.ModeSymlink:
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, n.link, 0o777
			return tw.WriteHeader(h)
		case fs.ModeDir:
			info, err := n.info()
			if err != nil {
				return err
			}
			h.Typeflag, h.Mode = tar.TypeDir, mode(info.Mode())
			h.Name += "/"
			return tw.WriteHeader(h)
		}
		return readFile(n, func(r io.Reader, info fs.FileInfo) error {
			h.Typeflag, h.Mode, h.Size = tar.TypeReg, mode(info.Mode()), info.Size()
			if err := tw.WriteHeader(h); err != nil {
				return err
			}
			_, err := io.CopyBuffer(struct{ io.Writer }{tw}, ctxReader{ctx, r}, buffer)
			return err
		})
	})
}

// readFile gives the content of a regular file to use: exactly as many bytes
// as its info says. It is a [ChangedError] if the file becomes another one in
// the meantime. Errors of use itself are passed on.
func readFile(n *node, use func(io.Reader, fs.FileInfo) error) error {
	f, err := n.open()
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return n.failed("read", err)
	}
	if !before.Mode().IsRegular() {
		return &ChangedError{Path: n.where()}
	}
	in := &countedReader{r: f, left: before.Size()}
	if err := use(in, before); err != nil {
		if errors.Is(err, errReader) {
			return n.failed("read", in.err)
		}
		return err
	}
	after, err := f.Stat()
	if err != nil {
		return n.failed("read", err)
	}
	if in.left != 0 || stampOf(before) != stampOf(after) {
		return &ChangedError{Path: n.where()}
	}
	return nil
}

// errReader marks an error of the file that is read, as opposed to one of
// whoever is written to.
var errReader = errors.New("read")

// countedReader reads left bytes of r and no more. An end before that is none
// of its errors: left tells.
type countedReader struct {
	r    io.Reader
	left int64
	err  error
}

// Read reads on.
func (c *countedReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err, err = err, errReader
	}
	return n, err
}

// ctxReader ends a copy when ctx does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

// Read reads on, or returns the cause of the context.
func (r ctxReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// stamp is what a file looks like from outside. Two stamps of one path that
// differ belong to different contents; equal ones mostly to the same.
type stamp struct {
	size    int64
	mode    fs.FileMode // permission bits
	modTime int64       // ns
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{info.Size(), info.Mode().Perm(), info.ModTime().UnixNano()}
}
