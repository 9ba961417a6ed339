package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// project makes a folder with the files, each holding its own name.
func project(t *testing.T, files ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		write(t, filepath.Join(root, f), f)
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, root string, o Options) *Watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o.Root, o.Quiet = root, 20*time.Millisecond
	w, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := w.Err(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// next waits for a group of changes that holds path.
func next(t *testing.T, w *Watcher, path string) []string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	var all []string
	for {
		select {
		case got, ok := <-w.Changes():
			if !ok {
				t.Fatalf("the watcher ended: %v", w.Err())
			}
			if slices.Contains(got, path) {
				return got
			}
			all = append(all, got...)
		case <-deadline:
			t.Fatalf("no change of %s, only %q", path, all)
		}
	}
}

// settle waits until everything that happened is noted and told. A change may
// be told in two parts, the second with what comes next, and a folder that came
// is watched only when it is noted. The system tells things in order, so it is
// enough to wait for a new file, which path is.
func settle(t *testing.T, w *Watcher, path string) {
	t.Helper()
	write(t, path, "")
	next(t, w, path)
}

func TestWatcherTellsWritesRemovalsAndNewFolders(t *testing.T) {
	t.Parallel()
	root := project(t, "fn/handler.go", "fn/sub/a.txt", "other/x", "stack.yaml")
	fn, stack := filepath.Join(root, "fn"), filepath.Join(root, "stack.yaml")
	w := start(t, root, Options{Dirs: []string{fn}, Files: []string{stack}})

	write(t, filepath.Join(fn, "handler.go"), "changed")
	if got := next(t, w, filepath.Join(fn, "handler.go")); len(got) != 1 {
		t.Errorf("one write told as %q", got)
	}
	if err := os.Remove(filepath.Join(fn, "sub", "a.txt")); err != nil {
		t.Fatal(err)
	}
	next(t, w, filepath.Join(fn, "sub", "a.txt"))

	write(t, filepath.Join(fn, "new", "deep", "b.txt"), "b")
	next(t, w, filepath.Join(fn, "new"))
	settle(t, w, filepath.Join(fn, "settled-1"))
	write(t, filepath.Join(fn, "new", "deep", "b.txt"), "again")
	next(t, w, filepath.Join(fn, "new", "deep", "b.txt"))
	settle(t, w, filepath.Join(fn, "settled-2"))

	// An editor replaces the stack file; what lies beside it does not count.
	write(t, filepath.Join(root, "stack.yaml.new"), "new")
	write(t, filepath.Join(root, "other", "x"), "changed")
	if err := os.Rename(filepath.Join(root, "stack.yaml.new"), stack); err != nil {
		t.Fatal(err)
	}
	if got := next(t, w, stack); len(got) != 1 {
		t.Errorf("the stack file's replacement told as %q", got)
	}
}

func TestWatcherFollowsAFolderThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	root := project(t, "fns/a/handler.go")
	dir := filepath.Join(root, "fns", "a")
	gone, back := filepath.Join(root, "gone"), filepath.Join(root, "back")
	w := start(t, root, Options{Dirs: []string{dir}, Files: []string{gone, back}})
	if err := os.RemoveAll(filepath.Join(root, "fns")); err != nil {
		t.Fatal(err)
	}
	next(t, w, filepath.Join(root, "fns"))
	settle(t, w, gone)
	write(t, filepath.Join(dir, "handler.go"), "back")
	next(t, w, filepath.Join(root, "fns"))
	settle(t, w, back)
	write(t, filepath.Join(dir, "handler.go"), "changed")
	next(t, w, filepath.Join(dir, "handler.go"))
}

func TestWatcherTellsWhatNeverEnds(t *testing.T) {
	t.Parallel()
	root := project(t, "fn/log")
	path := filepath.Join(root, "fn", "log")
	w := start(t, root, Options{Dirs: []string{filepath.Join(root, "fn")}})
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = os.WriteFile(path, []byte("again"), 0o644)
			}
		}
	}()
	next(t, w, path)
	next(t, w, path)
	close(stop)
	<-stopped
}

// TestWatcherFollowsFoldersWhoseComingWasMissed ensures that after more events
// than the system keeps everything counts as changed, and is watched.
func TestWatcherFollowsFoldersWhoseComingWasMissed(t *testing.T) {
	t.Parallel()
	root := project(t, "fn/handler.go")
	fn := filepath.Join(root, "fn")
	var missed atomic.Bool // stands for an event that never came
	w := start(t, root, Options{Dirs: []string{fn}, Ignore: func(path string, _ bool) bool {
		return missed.Load() && strings.HasPrefix(path, filepath.Join(fn, "new"))
	}})
	missed.Store(true)
	write(t, filepath.Join(fn, "new", "b.txt"), "b")
	settle(t, w, filepath.Join(fn, "settled"))
	missed.Store(false)
	w.fs.Errors <- fsnotify.ErrEventOverflow
	next(t, w, fn)
	write(t, filepath.Join(fn, "new", "b.txt"), "again")
	next(t, w, filepath.Join(fn, "new", "b.txt"))
}

func TestIgnoreFollowsGitAndEditors(t *testing.T) {
	t.Parallel()
	// The folder above the project is called build, which must not matter.
	root := filepath.Join(project(t), "build")
	write(t, filepath.Join(root, ".gitignore"), "# comment\n\nbuild\n/template/\n*.log\n!keep.log\n")
	ignore, err := Ignore(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"fn/handler.py": false, "fn/.handler.py.swp": true, "fn/handler.py~": true, "fn/.#handler.py": true, "fn/4913": true,
		"build/fn/x": true, "fn/build/x": true, "template/a": true, "fn/template/a": false,
		"a.log": true, "fn/keep.log": false, "fn/.git/HEAD": true, ".openfaas/config.yml": true,
	} {
		if got := ignore(filepath.Join(root, filepath.FromSlash(path)), false); got != want {
			t.Errorf("ignore %s: %v", path, got)
		}
	}
	if none, err := Ignore(filepath.Join(root, "nothing")); err != nil || none(filepath.Join(root, "nothing", "x"), false) {
		t.Errorf("without .gitignore: %v", err)
	}
}

func TestWatcherDoesNotTellWhatIsIgnored(t *testing.T) {
	t.Parallel()
	root := project(t, "fn/handler.go", "fn/node_modules/m/index.js")
	fn := filepath.Join(root, "fn")
	w := start(t, root, Options{Dirs: []string{fn}, Ignore: func(path string, _ bool) bool {
		return filepath.Base(path) == "node_modules" || strings.HasSuffix(path, "~")
	}})
	write(t, filepath.Join(fn, "node_modules", "m", "index.js"), "changed")
	write(t, filepath.Join(fn, "handler.go~"), "backup")
	write(t, filepath.Join(fn, "handler.go"), "changed")
	if got := next(t, w, filepath.Join(fn, "handler.go")); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}
