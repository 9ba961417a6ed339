package builder

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func lookOf(st *unix.Stat_t) look {
	return look{stamp{st.Size, fs.FileMode(st.Mode & 0o777), st.Mtim.Nano()}, st.Ctim.Nano()}
}

// setTime sets the time of modification of a file in an open folder, in ns.
func setTime(_, dir int, name string, modTime int64) error {
	t := unix.NsecToTimespec(modTime)
	return unix.UtimesNanoAt(dir, name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

// list returns the entries of the folder, in no order. It can be called once.
func (f folder) list() ([]entry, error) {
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), "")
	defer dir.Close()
	list, err := dir.ReadDir(-1)
	return entriesOf(list), err
}

// send copies within the kernel, which is not done here.
func (folder) send(string, folder, string, int64, fs.FileMode) bool { return false }
