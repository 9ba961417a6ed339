// Package watch tells which files below some folders have changed. It follows
// folders that come, go and come back, as with a switch of branches, and files
// that editors replace instead of writing.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options say what is watched.
type Options struct {
	// Root is the project's folder, absolute. Nothing above it is watched.
	Root string
	// Dirs are folders whose whole content counts, absolute and below Root.
	// They need not exist.
	Dirs []string
	// Files are single files that count, absolute. They need not exist.
	Files []string
	// Ignore says which paths do not count, whatever happens to them; below an
	// ignored folder nothing is watched. Nil ignores nothing.
	Ignore func(path string, dir bool) bool
	// Quiet is how long nothing must happen until a change is told. What goes
	// on for longer is told after ten times as long. Zero means defaultQuiet.
	Quiet time.Duration
}

// defaultQuiet is long enough for an editor to finish saving and short enough
// not to be noticed.
const defaultQuiet = 80 * time.Millisecond

// patience is how many quiet times a change waits for the quiet to come.
const patience = 10

// A Watcher tells changes until its context ends.
type Watcher struct {
	o       Options
	fs      *fsnotify.Watcher
	changes chan []string
	done    sync.WaitGroup
	err     error
}

// Start watches until ctx ends. Whoever starts it reads Changes until it is
// closed.
func Start(ctx context.Context, o Options) (*Watcher, error) {
	if o.Quiet == 0 {
		o.Quiet = defaultQuiet
	}
	if o.Ignore == nil {
		o.Ignore = func(string, bool) bool { return false }
	}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch %q: %w", o.Root, err)
	}
	w := &Watcher{o: o, fs: n, changes: make(chan []string)}
	if err := w.addAll(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	w.done.Go(func() { w.run(ctx) })
	return w, nil
}

// Changes delivers the paths that changed, sorted, a group of changes at a
// time. It is closed when the context ends or the system stops telling; Err
// then says why.
func (w *Watcher) Changes() <-chan []string { return w.changes }

// Err waits for the end and returns its reason, nil if it is the context's.
func (w *Watcher) Err() error {
	w.done.Wait()
	return w.err
}

// addAll watches every folder there is a reason to, as far as it exists. It
// may be called again: watching a folder twice is watching it once.
func (w *Watcher) addAll() error {
	var errs []error
	for _, f := range w.o.Files {
		errs = append(errs, w.addAncestors(f))
	}
	for _, d := range w.o.Dirs {
		errs = append(errs, w.addAncestors(d), w.addTree(d))
	}
	return errors.Join(errs...)
}

// addAncestors watches the folders that path is in, so that its coming and
// going is noticed.
func (w *Watcher) addAncestors(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := w.add(dir); err != nil {
			return err
		}
		if dir == w.o.Root || dir == filepath.Dir(dir) || !below(w.o.Root, dir) {
			return nil
		}
	}
}

func (w *Watcher) addTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has gone again
		}
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if !d.IsDir() {
			return nil
		}
		if path != root && w.o.Ignore(path, true) {
			return fs.SkipDir
		}
		return w.add(path)
	})
}

func (w *Watcher) add(dir string) error {
	err := w.fs.Add(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("watch %q: %w", dir, err)
	}
	return nil
}

func (w *Watcher) run(ctx context.Context) {
	defer close(w.changes)
	defer func() { w.err = errors.Join(w.err, w.fs.Close()) }()
	var (
		pending  = map[string]bool{}
		timer    = time.NewTimer(0)
		deadline time.Time
		out      chan []string // nil until the changes are ripe
	)
	<-timer.C
	ripen := func() { // lets what is pending wait for the quiet
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(patience * w.o.Quiet)
		}
		out = nil
		timer.Reset(min(w.o.Quiet, max(deadline.Sub(now), 0)))
	}
	for {
		var batch []string
		if out != nil {
			batch = slices.Sorted(maps.Keys(pending))
		}
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			if w.note(e, pending) {
				ripen()
			}
		case err := <-w.fs.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.err = fmt.Errorf("watch %q: %w", w.o.Root, err)
				return
			}
			w.noteAll(pending)
			ripen()
		case <-timer.C:
			out = w.changes
		case out <- batch:
			pending, deadline, out = map[string]bool{}, time.Time{}, nil
		}
	}
}

// note records an event if it counts, and follows folders that have come.
func (w *Watcher) note(e fsnotify.Event, pending map[string]bool) bool {
	path := filepath.Clean(e.Name)
	if e.Op == fsnotify.Chmod { // indexers and backups do that all the time
		return false
	}
	fi, err := os.Lstat(path)
	isDir := err == nil && fi.IsDir()
	if e.Has(fsnotify.Create) && isDir {
		// Errors come again when something is watched for sure; a folder that
		// cannot be read fails the build, which says so better.
		_ = w.addAll()
	}
	if !w.counts(path) || w.ignored(path, isDir) {
		return false
	}
	pending[path] = true
	return true
}

// noteAll records, as something was missed, that everything may have changed.
// Folders that have come may be among what was missed.
func (w *Watcher) noteAll(pending map[string]bool) {
	_ = w.addAll() // as in note
	for _, p := range slices.Concat(w.o.Dirs, w.o.Files) {
		pending[p] = true
	}
}

// counts reports whether path is one of the files, in one of the folders, or a
// folder that one of them is in.
func (w *Watcher) counts(path string) bool {
	for _, f := range w.o.Files {
		if path == f {
			return true
		}
	}
	for _, d := range w.o.Dirs {
		if below(d, path) || below(path, d) && path != w.o.Root {
			return true
		}
	}
	return false
}

// ignored asks about the path and the folders it is in, up to what is watched.
func (w *Watcher) ignored(path string, isDir bool) bool {
	if slices.Contains(w.o.Files, path) {
		return false
	}
	for {
		if w.o.Ignore(path, isDir) {
			return true
		}
		parent := filepath.Dir(path)
		if parent == path || !below(w.o.Root, parent) || parent == w.o.Root || slices.Contains(w.o.Dirs, path) {
			return false
		}
		path, isDir = parent, true
	}
}

// below reports whether path is dir or in it.
func below(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
