package builder

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/opencontainers/go-digest"
)

// A ContextBuilder prepares the build contexts of one project. It may be used
// by several goroutines at once.
type ContextBuilder struct {
	// Project is the working directory: handlers and extra paths are relative
	// to it and cannot leave it.
	Project *os.Root
	// Extras are paths that go into the handler folder of every function.
	Extras []string
}

// A Context is the virtual tree that an image is built from: the template's
// files, then the handler's over them, then the extra paths. Nothing is copied
// until someone asks. It may be used by several goroutines at once.
type Context struct {
	Function string // name of the function
	Language string // name of the template
	Spec     schema.Template

	local *schema.LocalBuild
}

// Local is the local block that the native engine may act on: nil where the
// template has none or the user does not trust it.
func (c *Context) Local() *schema.LocalBuild { return c.local }

// FS is the tree as engines that want a Dockerfile get it: without what
// .dockerignore leaves out. It implements [fs.ReadLinkFS], [fs.ReadDirFS] and
// [fs.StatFS]; regular files that it opens are *os.File where they come from
// the disk.
func (c *Context) FS() fs.FS { return nil }

// WriteTar writes what FS holds as an uncompressed tar: same files, same
// bytes.
func (c *Context) WriteTar(ctx context.Context, w io.Writer) error { return errors.ErrUnsupported }

// WriteDir makes the folder dir hold exactly the tree, as --shrinkwrap
// promises.
func (c *Context) WriteDir(ctx context.Context, dir string) error { return errors.ErrUnsupported }

// Fingerprint is a digest of everything in the tree: paths, kinds, modes and
// contents.
func (c *Context) Fingerprint(ctx context.Context) (digest.Digest, error) {
	return "", errors.ErrUnsupported
}
