package templates

import (
	"io/fs"
	"strconv"
	"syscall"
	"time"
)

// identity is the inode of a file and when that last changed, which no program
// can set.
func identity(info fs.FileInfo) (string, time.Time) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", time.Time{}
	}
	return strconv.FormatUint(st.Ino, 10), time.Unix(st.Ctim.Unix())
}
