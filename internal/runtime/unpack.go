//go:build unix

package runtime

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// rootFS is the folder of an unpacked image.
type rootFS string

// unpackPrefix begins the names of folders that are being unpacked.
const unpackPrefix = ".unpacking-"

// maxUnpacked bounds an image that runs as a process, in bytes. It was built here, so this is no defence, but a bug in a
// build should not fill the disk.
const maxUnpacked = 16 << 30

// unpacked returns the folder of an image, unpacking it the first time, and the image's configuration.
func (p *processes) unpacked(ctx context.Context, digest string) (rootFS, v1.Config, error) {
	img, err := p.c.Images.Image(ctx, digest)
	if err != nil {
		return "", v1.Config{}, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return "", v1.Config{}, err
	}
	p.unpacks.Lock()
	defer p.unpacks.Unlock()
	dir := p.path("rootfs", strings.TrimPrefix(digest, "sha256:"))
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err == nil { // it is there; that it was used is noted
		return rootFS(dir), file.Config, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", v1.Config{}, err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), unpackPrefix)
	if err != nil {
		return "", v1.Config{}, err
	}
	layers := mutate.Extract(img)
	err = extract(ctx, layers, tmp)
	_ = layers.Close()
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		_ = removeReadOnly(tmp)
		return "", v1.Config{}, err
	}
	return rootFS(dir), file.Config, nil
}

// extract writes the files of a tar below dir, where links lead nowhere else, without any permission to write.
func extract(ctx context.Context, r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	var dirs []string
	files := tar.NewReader(r)
	for left := int64(maxUnpacked); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if left -= h.Size; left < 0 {
			return fmt.Errorf("the image has more than %d bytes", int64(maxUnpacked))
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if name == "" {
			continue
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			dirs = append(dirs, name)
		}
		if err := extractOne(root, name, h, files); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- { // parents last, while they can still be written to
		if err := root.Chmod(dirs[i], 0o555); err != nil {
			return err
		}
	}
	return nil
}

func extractOne(root *os.Root, name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		mode := fs.FileMode(0o444)
		if h.Mode&0o111 != 0 {
			mode = 0o555
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content) //nolint:gosec // bounded by the caller
		return errors.Join(err, f.Chmod(mode), f.Close())
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(strings.TrimPrefix(path.Clean("/"+h.Linkname), "/"), name)
	default: // a device or a pipe: nothing that a function's image needs
		return nil
	}
}

// removeReadOnly is os.RemoveAll for folders without permission to write.
func removeReadOnly(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // it is about to be removed
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// mapped returns where a path of the image is on this machine: an absolute path that exists in the image, or leads to
// nothing here, is the image's. Everything else is returned as it is.
func (r rootFS) mapped(s string) string {
	if !path.IsAbs(s) {
		return s
	}
	inside := filepath.Join(string(r), filepath.FromSlash(path.Clean(s)))
	if _, err := os.Lstat(inside); err != nil {
		return s
	}
	return inside
}

// mappedList maps each path of a list such as PYTHONPATH.
func (r rootFS) mappedList(s string) string {
	parts := strings.Split(s, ":")
	for i, part := range parts {
		parts[i] = r.mapped(part)
	}
	return strings.Join(parts, ":")
}

// dir returns the image's working folder, or another if it has none.
func (r rootFS) dir(workingDir, other string) string {
	if workingDir == "" || workingDir == "/" {
		return other
	}
	if mapped := r.mapped(workingDir); mapped != workingDir {
		return mapped
	}
	return other
}
