package atomicfile

import (
	"context"
	"fmt"
	"os"
	"time"
)

// lockRetry is how long to wait before asking again for a lock that another
// process holds: the system call that waits cannot be cancelled.
const lockRetry = 10 * time.Millisecond

// Lock holds path against other processes that lock it, until release is
// called or the process ends. The file is created, private and empty, and
// stays: removing it would let two processes lock two files of one name.
// Replace the file that it protects, not the lock itself.
func Lock(ctx context.Context, path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", path, plain(err))
	}
	for {
		ok, err := tryLock(f)
		if ok {
			return func() { _ = f.Close() }, nil
		}
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %q: %w", path, err)
		}
		timer := time.NewTimer(lockRetry)
		select {
		case <-ctx.Done():
			timer.Stop()
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}
