// Package filelock keeps processes apart by locked files. The system releases
// a lock when the process that holds it ends, however it ends.
//
// Lock a file of its own beside what it protects, never one that is replaced
// or removed: two processes could then hold two files of one name.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("locked by another process")

// retry is how long to wait before asking again for a lock that another
// process holds: the system call that waits cannot be cancelled.
const retry = 10 * time.Millisecond

// Lock is a lock that this process holds.
type Lock struct{ f *os.File }

// Release gives the lock up. The file stays.
func (l *Lock) Release() { _ = l.f.Close() } // what closing can fail with concerns data, and there is none

// Exclusive waits until no other process holds path, or until ctx ends, whose
// cause it then returns. The file is created, private and empty; its folder
// must exist.
func Exclusive(ctx context.Context, path string) (*Lock, error) { return wait(ctx, path, true) }

// Shared waits until no other process holds path exclusively. Several may hold
// it shared.
func Shared(ctx context.Context, path string) (*Lock, error) { return wait(ctx, path, false) }

// Try takes path exclusively at once, or fails with [ErrHeld].
func Try(path string) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := try(f, true); err != nil {
		_ = f.Close()
		return nil, describe(path, err)
	}
	return &Lock{f: f}, nil
}

// Held says whether another process holds path exclusively. A file that does
// not exist is not held.
func Held(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return errors.Is(try(f, false), ErrHeld)
}

func wait(ctx context.Context, path string, exclusive bool) (*Lock, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	for {
		err := try(f, exclusive)
		if err == nil {
			return &Lock{f: f}, nil
		}
		if !errors.Is(err, ErrHeld) {
			_ = f.Close()
			return nil, describe(path, err)
		}
		timer := time.NewTimer(retry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			_ = f.Close()
			return nil, context.Cause(ctx)
		}
	}
}

func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return nil, describe(path, pathErr.Err)
	}
	return f, err
}

func describe(path string, err error) error { return fmt.Errorf("lock %q: %w", path, err) }
