package templates

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A treeWriter writes the files of one template below a folder, and sums them
// up on the way.
type treeWriter struct {
	template string
	root     *os.Root
	inDir    string   // the folder that is open, relative to root
	open     *os.Root // files come sorted, so one is enough
	links    map[string]string
	sums     []fileSum
	size     int64
}

// newTreeWriter makes the folder name in root.
func newTreeWriter(root *os.Root, name string) (*treeWriter, error) {
	if err := root.Mkdir(name, 0o755); err != nil {
		return nil, err
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &treeWriter{template: name, root: dir, links: map[string]string{}}, nil
}

func (w *treeWriter) close() {
	if w.open != nil {
		_ = w.open.Close()
	}
	_ = w.root.Close()
}

// dir opens the folder of a file and returns the file's name in it.
func (w *treeWriter) dir(file string) (*os.Root, string, error) {
	i := strings.LastIndexByte(file, '/')
	if i < 0 {
		return w.root, file, nil
	}
	name, base := file[:i], file[i+1:]
	if w.open != nil && w.inDir == name {
		return w.open, base, nil
	}
	native := filepath.FromSlash(name)
	if err := w.root.MkdirAll(native, 0o755); err != nil {
		return nil, "", err
	}
	d, err := w.root.OpenRoot(native)
	if err != nil {
		return nil, "", err
	}
	if w.open != nil {
		_ = w.open.Close()
	}
	w.open, w.inDir = d, name
	return d, base, nil
}

// maxLinkTarget bounds the target of a link, in bytes: PATH_MAX.
const maxLinkTarget = 4096

// add writes one file. Links wait for finish.
func (w *treeWriter) add(file treeFile, size int64, content io.Reader) error {
	if size > maxFileSize {
		return &UnsafeError{w.template, file.path, fmt.Sprintf("has %d bytes, more than %d", size, maxFileSize)}
	}
	if w.size += size; w.size > maxTreeSize {
		return &UnsafeError{w.template, file.path, fmt.Sprintf("makes it larger than %d bytes", maxTreeSize)}
	}
	if file.mode == modeLink {
		if size > maxLinkTarget {
			return &UnsafeError{w.template, file.path, "is a link with an endless target"}
		}
		target, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		w.links[file.path] = string(target)
		w.sums = append(w.sums, fileSum{path: file.path, kind: 'L', sum: sha256.Sum256(target)})
		return nil
	}
	dir, base, err := w.dir(file.path)
	if err != nil {
		return err
	}
	perm, kind := os.FileMode(0o644), byte('F')
	if file.mode == modeExec {
		perm, kind = 0o755, 'X'
	}
	sum, err := writeFile(dir, base, perm, content)
	if err != nil {
		return err
	}
	w.sums = append(w.sums, fileSum{path: file.path, kind: kind, sum: sum})
	return nil
}

// finish checks and makes the links.
func (w *treeWriter) finish() error {
	if err := checkLinks(w.template, w.links); err != nil {
		return err
	}
	for name, target := range w.links {
		dir, base, err := w.dir(name)
		if err != nil {
			return err
		}
		if err := dir.Symlink(target, base); err != nil {
			return err
		}
	}
	return nil
}

// writeFile makes a new file and sums it up.
func writeFile(dir *os.Root, name string, perm os.FileMode, content io.Reader) (sum [sha256.Size]byte, err error) {
	out, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), content)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	h.Sum(sum[:0])
	return sum, err
}
