// Package atomicfile replaces files whole or not at all.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes path a file with what fill writes and the permission bits perm.
// Readers see the old content or the new, never a part. The new file is
// written beside the old one, synced and renamed over it; on any error,
// fill's included, the temporary file is removed and the old one stays.
//
// A symbolic link is followed and stays a link. The mode is set before the
// first byte, whatever the umask and the old file's mode, so that a secret is
// never readable by others. The folder must exist.
func Write(path string, perm fs.FileMode, fill func(io.Writer) error) error {
	path, err := follow(path)
	if err != nil {
		return err
	}
	return replace(path, perm, true, fill)
}

// Update is [Write] for files that are the user's own: one that is there keeps
// its permission bits, a new one gets perm less the umask, as from every tool.
func Update(path string, perm fs.FileMode, fill func(io.Writer) error) error {
	path, err := follow(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return replace(path, perm, false, fill)
	}
	return replace(path, info.Mode().Perm(), true, fill)
}

// replace writes path, which is no link. exact says that the umask does not count.
func replace(path string, perm fs.FileMode, exact bool, fill func(io.Writer) error) (err error) {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp-"+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return fmt.Errorf("write %q: %w", path, plain(err))
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the first error is the one that counts
			_ = os.Remove(temp)
			err = fmt.Errorf("write %q: %w", path, plain(err))
		}
	}()
	if exact {
		if err = f.Chmod(perm); err != nil {
			return err
		}
	}
	if err = fill(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// WriteBytes is [Write] with the content at hand.
func WriteBytes(path string, perm fs.FileMode, content []byte) error {
	return Write(path, perm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// UpdateBytes is [Update] with the content at hand.
func UpdateBytes(path string, perm fs.FileMode, content []byte) error {
	return Update(path, perm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// follow resolves the symbolic links of path's last element. A link that
// points at nothing yet gives the place that it points at.
func follow(path string) (string, error) {
	const most = 40 // as the kernel's own limit on nested links
	for range most {
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // not a link, or nothing there
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", fmt.Errorf("write %q: too many symbolic links", path)
}

// plain takes the temporary name out of err: it means nothing to a user.
func plain(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	if linkErr := (*os.LinkError)(nil); errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
