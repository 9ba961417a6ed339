package builder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNativePrunesWhatNoBuildUses(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	now := time.Now()
	fill := func(name string, used time.Time) string {
		t.Helper()
		dir := filepath.Join(n.Cache, name)
		held, err := lockDir(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		held.Release()
		if err := os.MkdirAll(filepath.Join(dir, "src", "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, lockFile), used, used); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "src")
	}
	there := func(path string) bool {
		_, err := os.Stat(path)
		return !errors.Is(err, fs.ErrNotExist)
	}
	old := now.Add(-keepCached - 2*time.Hour)
	stale, dependencies, fresh := fill("work/old-1", old), fill("python/old", old), fill("work/new-1", now)
	ahead := fill("work/ahead-1", now.Add(time.Hour)) // the clock was set back since
	busy := fill("work/busy-1", old)
	held, err := lockDir(t.Context(), filepath.Dir(busy))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	if err := os.Chtimes(filepath.Join(filepath.Dir(busy), lockFile), old, old); err != nil {
		t.Fatal(err)
	}

	n.prune(now)
	if there(stale) || there(dependencies) {
		t.Error("what was not used for long is still there")
	}
	if !there(fresh) || !there(ahead) || !there(busy) {
		t.Error("what is in use, or was a short time ago, is gone")
	}

	again := fill("work/old-2", old)
	if n.prune(now.Add(time.Hour)); !there(again) {
		t.Error("the cache is looked through more than once a day")
	}
	if n.prune(now.Add(-time.Hour)); there(again) {
		t.Error("a clock that was set back keeps the cache from being pruned")
	}
}
