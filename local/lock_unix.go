//go:build unix

package local

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked by another process")

// lock takes the lock of a file, which it creates. The kernel lets go of it when the process ends, however that happens.
// It fails with errLocked when another process has it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %q: %w", path, err)
	}
	return f, nil
}

// isLocked reports whether a process has the lock. Looking takes it, shared, for an instant; lock's users try again.
func isLocked(path string) bool {
	f, err := os.Open(path) //nolint:gosec // a fixed name in our own state folder
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
