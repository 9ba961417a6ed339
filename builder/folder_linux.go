package builder

import (
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
