//go:build !linux && !darwin

package builder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// folder is an open folder whose files are reached by name.
type folder struct {
	root *os.Root
	own  bool // root is closed with the folder
}

func openFolder(root *os.Root) (folder, error) { return folder{root: root}, nil }

// open opens a folder in the folder.
func (f folder) open(name string) (folder, error) {
	root, err := f.root.OpenRoot(name)
	return folder{root, true}, err
}

// mode is that of the folder itself.
func (f folder) mode() (fs.FileMode, error) {
	info, err := f.root.Stat(".")
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

// close closes the folder.
func (f folder) close() {
	if f.own {
		_ = f.root.Close() // only names were looked up
	}
}

// mkdir makes a folder in the folder.
func (f folder) mkdir(name string, perm fs.FileMode) error { return f.root.Mkdir(name, perm) }

// readlink returns the target of a link in the folder.
func (f folder) readlink(name string) (string, error) { return f.root.Readlink(name) }

// list returns the entries of the folder, in no order.
func (f folder) list() ([]entry, error) {
	list, err := fs.ReadDir(f.root.FS(), ".")
	return entriesOf(list), err
}

// look describes a file; a link is not followed. When it changed is not known
// here, so contents are compared.
func (f folder) look(name string) (look, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return look{}, err
	}
	return look{stamp: stampOf(info)}, nil
}

// read reads a regular file that is smaller than the buffer.
func (f folder) read(name string, buffer []byte) (look, []byte, error) {
	in, err := f.root.Open(name)
	if err != nil {
		return look{}, nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	switch {
	case err != nil:
		return look{}, nil, err
	case !info.Mode().IsRegular():
		return look{}, nil, errTorn
	case info.Size() >= int64(len(buffer)):
		return look{}, nil, errLarge
	}
	n, err := io.ReadFull(in, buffer[:info.Size()+1])
	if ended(err) {
		err = nil
	}
	if err == nil && int64(n) != info.Size() {
		err = errTorn
	}
	return look{stamp: stampOf(info)}, buffer[:n], err
}

// write makes a new file, with the mode and time of s. It leaves nothing
// behind if it fails.
func (f folder) write(name string, content []byte, s stamp, _ fs.FileMode) error {
	out, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, s.mode.Perm())
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	err = errors.Join(err, out.Close(), f.root.Chtimes(name, time.Time{}, time.Unix(0, s.modTime)))
	if err != nil {
		_ = f.root.Remove(name) // the first error counts
	}
	return err
}

// send copies within the kernel, which is not done here.
func (folder) send(string, folder, string, int64, fs.FileMode) bool { return false }
