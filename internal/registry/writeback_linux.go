package registry

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback makes the disk begin to write a part of a file, so that the
// sync at its end has little left to wait for. That it does not is no error.
func startWriteback(f *os.File, offset, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
