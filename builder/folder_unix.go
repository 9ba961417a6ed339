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
	// The flag means nothing for a folder, but without it *os.File tries to set
	// it, and takes it back.
	f, err := root.OpenFile(".", os.O_RDONLY|unix.O_NONBLOCK, 0)
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

// openSmall opens a regular file that is smaller than limit.
func (f folder) openSmall(name string, limit int64) (fd int, l look, err error) {
	fd, err = retried(func() (int, error) {
		return unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, look{}, err
	}
	var st unix.Stat_t
	switch err = unix.Fstat(fd, &st); {
	case err != nil:
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG:
		err = errTorn
	case st.Size >= limit:
		err = errLarge
	default:
		return fd, lookOf(&st), nil
	}
	_ = unix.Close(fd) // only looked at
	return -1, look{}, err
}

// read reads a regular file that is smaller than the buffer.
func (f folder) read(name string, buffer []byte) (look, []byte, error) {
	fd, l, err := f.openSmall(name, int64(len(buffer)))
	if err != nil {
		return look{}, nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // only read
	// One byte more than there should be is asked for, to notice a file that
	// grew.
	n, err := retried(func() (int, error) { return unix.Read(fd, buffer[:l.size+1]) })
	if err == nil && int64(n) != l.size {
		err = errTorn
	}
	return l, buffer[:max(n, 0)], err
}

// write makes a new file, with the mode and time of s. It leaves nothing
// behind if it fails.
func (f folder) write(name string, content []byte, s stamp, mask fs.FileMode) error {
	return f.create(name, s, mask, func(fd int) error {
		for len(content) > 0 {
			n, err := retried(func() (int, error) { return unix.Write(fd, content) })
			if err != nil {
				return err
			}
			content = content[n:]
		}
		return nil
	})
}

// create makes a new file and has it filled. It leaves nothing behind if it
// fails.
func (f folder) create(name string, s stamp, mask fs.FileMode, fill func(fd int) error) error {
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
	if err == nil {
		err = fill(fd)
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
