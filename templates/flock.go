package templates

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// lockRetry is how often a lock that another process holds is tried again; the
// system call that waits cannot be cancelled.
const lockRetry = 20 * time.Millisecond

// exclusive lets one process at a time change the templates of a project; the
// returned function ends that. The lock is a file in the cache: nothing is
// left in the project.
func (c *Cache) exclusive(ctx context.Context, project string) (func(), error) {
	dir := filepath.Join(c.dir, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("template cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, hashKey(project)), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("template cache: %w", err)
	}
	for {
		locked, err := tryLock(f)
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lock %q: %w", f.Name(), err)
		}
		if locked {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockRetry):
		}
	}
}
