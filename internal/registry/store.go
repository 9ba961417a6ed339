// Package registry keeps container images in a folder: the image store that
// builds write to and the local platform runs from, and an OCI registry server
// over the same folder for other tools.
//
// # Layout
//
//	blobs/sha256/HEX                content, manifests included, named by its digest
//	repos/REPOSITORY/_tags/TAG      digest of the manifest that the tag names
//	repos/REPOSITORY/_manifests/HEX media type of a manifest of that repository
//	native/HEX                      manifests that the native engine built on this machine
//	uploads/ID                      content that is still arriving
//	lock                            held shared by writers, exclusively by the collector
//
// Every file appears whole or not at all, so that readers need no lock, and
// several processes may read and write one store at the same time.
package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/filelock"
)

// ErrNotFound is returned for a name, manifest or blob that the store does not
// hold.
var ErrNotFound = errors.New("not found in the image store")

// A Store is a folder of images. It holds no open files and nothing in memory,
// so it needs no closing; its methods may be called from several goroutines
// and several processes.
type Store struct {
	dir string
}

// Open returns the store in dir. The folder is created by the first write, so
// that asking an empty store leaves no trace; it is private to the user.
func Open(dir string) *Store { return &Store{dir: dir} }

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

func (s *Store) blobPath(h v1.Hash) string { return s.path("blobs", "sha256", h.Hex) }

// checkHash accepts only what may become a file name: 64 lower-case hex digits
// of a sha256.
func checkHash(h v1.Hash) error {
	if h.Algorithm != "sha256" || len(h.Hex) != 64 || strings.Trim(h.Hex, "0123456789abcdef") != "" {
		return fmt.Errorf("digest %q is not a sha256", h.String())
	}
	return nil
}

// MarkNative records that the native engine built the manifest h on this
// machine. The process runtime runs only images with this record, and nothing
// that arrives through the registry server can make one. interpreter is the
// path of the program that the image was built for and does not hold, such as
// the user's Python; empty: it needs none.
func (s *Store) MarkNative(h v1.Hash, interpreter string) error {
	if err := checkHash(h); err != nil {
		return err
	}
	return s.writeFile(s.path("native", h.Hex), []byte(interpreter))
}

// Interpreter returns what MarkNative recorded with h, or nothing.
func (s *Store) Interpreter(h v1.Hash) string {
	if checkHash(h) != nil {
		return ""
	}
	path, _ := os.ReadFile(s.path("native", h.Hex)) // no record, no interpreter
	return string(path)
}

// Native reports whether MarkNative was called for h.
func (s *Store) Native(h v1.Hash) bool {
	if checkHash(h) != nil {
		return false
	}
	_, err := os.Lstat(s.path("native", h.Hex))
	return err == nil
}

// hasBlob reports whether the store holds content of that digest, a manifest
// for instance.
func (s *Store) hasBlob(h v1.Hash) bool {
	if checkHash(h) != nil {
		return false
	}
	fi, err := os.Stat(s.blobPath(h))
	return err == nil && fi.Mode().IsRegular()
}

// blob opens content for reading and says its size in bytes. The caller closes
// it. The error is ErrNotFound when the store does not hold it.
func (s *Store) blob(h v1.Hash) (*os.File, int64, error) {
	if err := checkHash(h); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(s.blobPath(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("blob %s: %w", h, ErrNotFound)
	}
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

// writeBlob stores what r yields under the digest h, and fails if r yields
// something else. A size of -1 means unknown. Content that the store holds is
// not read again.
func (s *Store) writeBlob(ctx context.Context, h v1.Hash, size int64, r io.Reader) error {
	if err := checkHash(h); err != nil {
		return err
	}
	if s.touchBlob(h, size) {
		return nil
	}
	u, err := s.newUpload()
	if err != nil {
		return err
	}
	defer u.cancel()
	n, err := io.Copy(u, contextReader{ctx, r})
	if err != nil {
		return fmt.Errorf("write blob %s: %w", h, err)
	}
	if size >= 0 && n != size {
		return fmt.Errorf("write blob %s: %d bytes arrived, expected %d", h, n, size)
	}
	return u.commit(h)
}

// touchBlob reports whether the store holds h, and if so makes it young again,
// so that the collector spares it until a manifest refers to it.
func (s *Store) touchBlob(h v1.Hash, size int64) bool {
	fi, err := os.Stat(s.blobPath(h))
	if err != nil || size >= 0 && fi.Size() != size {
		return false
	}
	return touch(s.blobPath(h)) == nil
}

// writeFile puts a small file in place, with its folders.
func (s *Store) writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o600, content)
}

// lock takes the store's lock until the returned function is called: shared to
// write, exclusive to collect.
func (s *Store) lock(ctx context.Context, exclusive bool) (func(), error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	wait := filelock.Shared
	if exclusive {
		wait = filelock.Exclusive
	}
	held, err := wait(ctx, s.path("lock"))
	if err != nil {
		return nil, err
	}
	return held.Release, nil
}

// contextReader makes a copy end when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
