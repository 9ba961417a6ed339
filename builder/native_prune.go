package builder

import (
	"os"
	"path/filepath"
	"time"

	"github.com/faas-cli/faas-cli/internal/filelock"
)

const (
	// keepCached is how long the native engine's cache keeps what no build uses.
	keepCached = 30 * 24 * time.Hour
	// pruneEvery is how often it is looked through.
	pruneEvery = 24 * time.Hour
	// lockFile tells, by its time, when a folder of the cache was used last. It
	// stays when everything else in the folder goes: others may wait for it.
	lockFile = "lock"
)

// prune removes from the cache what has not been used for long. Folders that
// are in use are left alone, and what cannot be removed waits for the next
// time: a build does not fail for it.
func (n *Native) prune(now time.Time) {
	last := filepath.Join(n.Cache, "pruned")
	if age, ok := ageOf(last, now); ok && age >= 0 && age < pruneEvery {
		return
	}
	if os.WriteFile(last, nil, 0o600) != nil || os.Chtimes(last, now, now) != nil {
		return
	}
	for _, kind := range []string{workFolder, pythonFolder} {
		parent := filepath.Join(n.Cache, kind)
		folders, err := os.ReadDir(parent)
		if err != nil {
			continue
		}
		for _, f := range folders {
			pruneFolder(filepath.Join(parent, f.Name()), now)
		}
	}
}

// pruneFolder empties one folder of the cache, unless it is in use or was.
func pruneFolder(dir string, now time.Time) {
	lock := filepath.Join(dir, lockFile)
	unused := func() bool {
		age, ok := ageOf(lock, now)
		return ok && age > keepCached
	}
	if !unused() {
		return
	}
	held, err := filelock.Try(lock)
	if err != nil {
		return
	}
	defer held.Release()
	entries, err := os.ReadDir(dir)
	if err != nil || !unused() { // somebody came first
		return
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// ageOf is the time since a file was written, negative with a clock that was
// set back; false where there is none.
func ageOf(path string, now time.Time) (time.Duration, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return now.Sub(info.ModTime()), true
}
