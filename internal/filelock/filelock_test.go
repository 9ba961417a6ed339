package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestExclusiveKeepsOthersOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	if Held(path) {
		t.Error("a file that does not exist is held")
	}
	l, err := Exclusive(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if !Held(path) {
		t.Error("the lock is not seen")
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("Try = %v; want ErrHeld", err)
	}
	got := make(chan error)
	go func() {
		second, err := Exclusive(t.Context(), path)
		if err == nil {
			second.Release()
		}
		got <- err
	}()
	l.Release()
	if err := <-got; err != nil {
		t.Errorf("after the release: %v", err)
	}
	if Held(path) {
		t.Error("still held after the release")
	}
}

func TestSharedAllowsShared(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	for range 2 {
		l, err := Shared(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("exclusive beside shared: %v; want ErrHeld", err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := Exclusive(ctx, path); !errors.Is(err, cause) {
		t.Errorf("error = %v; want the cause of the context", err)
	}
	if _, err := Try(filepath.Join(t.TempDir(), "no", "folder")); err == nil {
		t.Error("a lock in a folder that does not exist was taken")
	}
}
