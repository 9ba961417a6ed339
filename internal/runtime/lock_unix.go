//go:build unix

package runtime

import (
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes the lock of a file for this process alone, if nobody has it.
func tryLock(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }
