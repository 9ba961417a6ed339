//go:build linux || darwin

package builder

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// folder is an open folder whose entries are reached by name. It does what
// *os.Root does for a single name, which cannot lead anywhere else, with
// nothing but the system calls that it takes: projects have many small files.
type folder struct {
	fd int
	f  *os.File // of the topmost one, which the garbage collector may close
}

// openFolder opens the folder of root once more.
func openFolder(root *os.Root) (folder, error) {
	f, err := root.Open(".")
	if err != nil {
		return folder{}, err
	}
	return folder{int(f.Fd()), f}, nil
}

// open opens a folder in the folder; a link is not followed.
func (f folder) open(name string) (folder, error) {
	fd, err := retried(func() (int, error) {
		return unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	return folder{fd: fd}, err
}

// mode is that of the folder itself.
func (f folder) mode() (fs.FileMode, error) {
	var st unix.Stat_t
	err := unix.Fstat(f.fd, &st)
	return fs.ModeDir | lookOf(&st).mode, err
}

// close closes the folder; only names were looked up in it.
func (f folder) close() {
	if f.f != nil {
		_ = f.f.Close()
		return
	}
	_ = unix.Close(f.fd)
}

// mkdir makes a folder in the folder.
func (f folder) mkdir(name string, perm fs.FileMode) error {
	_, err := retried(func() (struct{}, error) { return struct{}{}, unix.Mkdirat(f.fd, name, uint32(perm)) })
	return err
}

// readlink returns the target of a link in the folder.
func (f folder) readlink(name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := retried(func() (int, error) { return unix.Readlinkat(f.fd, name, buffer) })
	return string(buffer[:max(n, 0)]), err
}

// retried makes a call again that a signal interrupted.
func retried[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}

// look describes a file; a link is not followed.
func (f folder) look(name string) (look, error) {
	var st unix.Stat_t
	_, err := retried(func() (struct{}, error) {
		return struct{}{}, unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return lookOf(&st), err
}

// read reads a regular file that is smaller than the buffer.
func (f folder) read(name string, buffer []byte) (look, []byte, error) {
	fd, err := retried(func() (int, error) {
		return unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return look{}, nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // only read
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return look{}, nil, err
	}
	switch {
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG:
		return look{}, nil, errTorn
	case st.Size >= int64(len(buffer)):
		return look{}, nil, errLarge
	}
	// One byte more than there should be is asked for, to notice a file that
	// grew.
	n, err := retried(func() (int, error) { return unix.Read(fd, buffer[:st.Size+1]) })
	if err == nil && int64(n) != st.Size {
		err = errTorn
	}
	return lookOf(&st), buffer[:max(n, 0)], err
}

// write makes a new file, with the mode and time of s. It leaves nothing
// behind if it fails.
func (f folder) write(name string, content []byte, s stamp, mask fs.FileMode) error {
	perm := s.mode.Perm()
	fd, err := retried(func() (int, error) {
		return unix.Openat(f.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm))
	})
	if err != nil {
		return err
	}
	if perm&mask != 0 {
		err = unix.Fchmod(fd, uint32(perm))
	}
	for rest := content; len(rest) > 0 && err == nil; {
		var n int
		n, err = retried(func() (int, error) { return unix.Write(fd, rest) })
		rest = rest[max(n, 0):]
	}
	if err == nil {
		err = setTime(fd, f.fd, name, s.modTime)
	}
	err = errors.Join(err, unix.Close(fd))
	if err != nil {
		_ = unix.Unlinkat(f.fd, name, 0) // the first error counts
	}
	return err
}
