package builder

import (
	"io/fs"

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
	list, err := f.f.ReadDir(-1)
	return entriesOf(list), err
}
