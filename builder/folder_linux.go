package builder

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

func lookOf(st *unix.Stat_t) look {
	return look{stamp{st.Size, fs.FileMode(st.Mode & 0o777), st.Mtim.Nano()}, st.Ctim.Nano()}
}

// setTime sets the time of modification of an open file, in ns.
func setTime(fd, dir int, name string, modTime int64) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(modTime)}
	err := unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // kernels before 5.8
		err = unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	return err
}

// send makes the new file name a copy of the regular file base of src, if that is
// smaller than limit. The content stays in the kernel, which takes a call less.
// Where it says no, whatever the reason, nothing is left: to read and to write
// tells what is wrong, if anything is.
func (f folder) send(name string, src folder, base string, limit int64, mask fs.FileMode) bool {
	in, from, err := src.openSmall(base, limit)
	if err != nil {
		return false
	}
	defer unix.Close(in) //nolint:errcheck // only read
	err = f.create(name, from.stamp, mask, func(out int) error {
		// One byte more than there should be is asked for, to notice a file that
		// grew.
		n, err := retried(func() (int, error) { return unix.Sendfile(out, in, nil, int(from.size)+1) })
		if err == nil && int64(n) != from.size {
			err = errTorn
		}
		return err
	})
	return err == nil
}

// Where a struct linux_dirent64 has what we read of it, in bytes.
//
// Source of the layout: getdents64(2).
const (
	direntLength = 16 // 2 bytes
	direntType   = 18 // 1 byte
	direntName   = 19 // up to a NUL
)

// list returns the entries of the folder, in no order. It can be called once.
// *os.File would look at each entry by itself where its folder was opened by an
// *os.Root; most file systems tell what an entry is.
func (f folder) list() ([]entry, error) {
	var entries []entry
	buffer := make([]byte, 16<<10)
	for {
		n, err := retried(func() (int, error) { return unix.Getdents(f.fd, buffer) })
		if err != nil || n <= 0 {
			return entries, err
		}
		for rest := buffer[:n]; len(rest) > direntName; {
			length := int(binary.NativeEndian.Uint16(rest[direntLength:]))
			if length <= direntName || length > len(rest) {
				return nil, errors.New("the system lists the folder in a form that is not known")
			}
			name := rest[direntName:length]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				name = name[:end]
			}
			kind := rest[direntType]
			inode := binary.NativeEndian.Uint64(rest)
			rest = rest[length:]
			if inode == 0 || string(name) == "." || string(name) == ".." {
				continue
			}
			e, err := f.entry(string(name), kind)
			if errors.Is(err, unix.ENOENT) {
				continue // removed in the meantime
			}
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
	}
}

// entry translates the type that a folder tells; where it does not, the entry
// is looked at.
func (f folder) entry(name string, kind byte) (entry, error) {
	switch kind {
	case unix.DT_REG:
		return entry{name, 0}, nil
	case unix.DT_DIR:
		return entry{name, fs.ModeDir}, nil
	case unix.DT_LNK:
		return entry{name, fs.ModeSymlink}, nil
	case unix.DT_FIFO:
		return entry{name, fs.ModeNamedPipe}, nil
	case unix.DT_SOCK:
		return entry{name, fs.ModeSocket}, nil
	case unix.DT_BLK, unix.DT_CHR:
		return entry{name, fs.ModeDevice}, nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return entry{}, err
	}
	const toType = 12 // DT_* are the type bits of a mode, shifted
	if kind = byte(st.Mode & unix.S_IFMT >> toType); kind == unix.DT_UNKNOWN {
		return entry{name, fs.ModeIrregular}, nil
	}
	return f.entry(name, kind)
}
