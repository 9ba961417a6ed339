package commands

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/watch"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// A watched command is run again for the functions whose files change.
type watched struct {
	// files finds the stack files and the functions that are watched, which
	// may have changed.
	files func(ctx context.Context) (*stack.File, error)
	// run does the work for the named functions, nil meaning all, until it is
	// done or ctx ends.
	run func(ctx context.Context, only []string) error
	// extras are paths that are copied into every function, relative to the
	// working directory.
	extras []string
}

// errNewerChange cancels work that a newer change made pointless.
var errNewerChange = errors.New("a newer change came")

// watchLoop runs w, and again after each change, until ctx ends; that is its
// normal end. Nothing that goes wrong in between ends it: what failed is tried
// again with the next change.
func (e *Env) watchLoop(ctx context.Context, w watched) error {
	var due []string // functions that are still to be brought up to date
	all := true
	for {
		st, err := w.files(ctx)
		if err != nil && st == nil {
			if ctx.Err() != nil {
				return watchEnd(ctx)
			}
			report(e.Term, err, "faas-cli")
		}
		session, err := e.watchSession(ctx, st, w.extras)
		if err != nil {
			return err
		}
		again, err := session.serve(ctx, e, w, st, all, due)
		session.close()
		if err != nil || !again {
			return errors.Join(err, watchEnd(ctx))
		}
		all, due = true, nil // the stack file changed: everything may have
	}
}

// watchEnd is nil when a signal ended the watch.
func watchEnd(ctx context.Context) error {
	if interrupted(ctx) {
		return nil
	}
	return context.Cause(ctx)
}

// watchSession watches the files of one state of the stack file.
type watchSession struct {
	watcher *watch.Watcher
	cancel  context.CancelFunc
	stack   []string            // absolute paths of the stack files
	shared  []string            // paths that concern every function
	of      map[string][]string // folder → functions made from it
}

func (e *Env) watchSession(ctx context.Context, st *stack.File, extras []string) (*watchSession, error) {
	s := &watchSession{of: map[string][]string{}}
	if st == nil { // it cannot be read: wait until it is mended
		for _, name := range []string{"stack.yaml", "stack.yml"} {
			s.stack = append(s.stack, filepath.Join(e.Dir, name))
		}
	} else {
		for _, p := range st.Paths {
			if p != "" && !stack.IsURL(p) {
				s.stack = append(s.stack, e.abs(p))
			}
		}
		for _, p := range slices.Concat(st.CopyExtra, extras) {
			s.shared = append(s.shared, e.abs(p))
		}
		for _, fn := range st.Functions {
			if fn.SkipBuild {
				continue
			}
			handler := filepath.Clean(e.abs(fn.Handler))
			s.of[handler] = append(s.of[handler], fn.Name)
			if fn.Language != dockerfileLang {
				folder := filepath.Join(e.Dir, templates.Dir, filepath.FromSlash(fn.Language))
				s.of[folder] = append(s.of[folder], fn.Name)
			}
			for _, p := range fn.EnvironmentFile {
				s.of[e.abs(p)] = append(s.of[e.abs(p)], fn.Name)
			}
		}
	}
	ignore, err := watch.Ignore(e.Dir)
	if err != nil {
		return nil, err
	}
	o := watch.Options{Root: e.Dir, Files: s.stack, Dirs: slices.Clone(s.shared), Ignore: s.ignore(e.Dir, ignore)}
	for folder := range s.of {
		o.Dirs = append(o.Dirs, folder)
	}
	slices.Sort(o.Dirs)
	watchCtx, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	if s.watcher, err = watch.Start(watchCtx, o); err != nil {
		cancel()
		return nil, withHint(err, "where the system's limit is reached, raise fs.inotify.max_user_watches, or use --filter")
	}
	return s, nil
}

// ignore follows the project's .gitignore but for the folders that are watched
// themselves: template is in every .gitignore and counts all the same. What a
// build writes into the project never counts.
func (s *watchSession) ignore(root string, rules func(string, bool) bool) func(string, bool) bool {
	build := filepath.Join(root, "build")
	return func(path string, dir bool) bool {
		if path == build || strings.HasPrefix(path, build+string(filepath.Separator)) {
			return true
		}
		for folder := range s.of {
			if path == folder || strings.HasPrefix(folder, path+string(filepath.Separator)) {
				return false
			}
			if rel, ok := strings.CutPrefix(path, folder+string(filepath.Separator)); ok && strings.HasPrefix(folder, filepath.Join(root, templates.Dir)) {
				return watch.EditorFile(rel) && !dir
			}
		}
		return rules(path, dir)
	}
}

func (s *watchSession) close() {
	s.cancel()
	for range s.watcher.Changes() { // until it has ended
	}
}

// serve runs the work and waits for changes, cancelling the work when one
// comes. It returns true when the stack file has changed.
func (s *watchSession) serve(ctx context.Context, e *Env, w watched, st *stack.File, all bool, due []string) (bool, error) {
	var done chan error // of the running work
	var cancel context.CancelCauseFunc = func(error) {}
	defer func() {
		cancel(errNewerChange)
		if done != nil {
			<-done
		}
	}()
	start := func(only []string) {
		var workCtx context.Context
		workCtx, cancel = context.WithCancelCause(ctx)
		done = make(chan error, 1)
		began := e.Now()
		go func(done chan error) { //nolint:gocritic // serve waits for it
			err := w.run(workCtx, only)
			if err == nil {
				e.progressf("[watch] done in %s; waiting for changes, Ctrl-C to end", e.Now().Sub(began).Round(10*time.Millisecond))
			}
			done <- err
		}(done)
	}
	if st != nil {
		e.progressf("[watch] %d functions: %s", len(st.Functions), functionNames(st))
		if all {
			due = nil
		}
		start(due)
	}
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case err := <-done:
			done, cancel = nil, func(error) {}
			if err != nil && ctx.Err() == nil {
				report(e.Term, err, "faas-cli")
				e.progressf("[watch] waiting for a change that mends it")
			} else {
				due, all = nil, false
			}
		case changes, ok := <-s.watcher.Changes():
			if !ok {
				return false, s.watcher.Err()
			}
			if s.stackChanged(changes) {
				e.progressf("[watch] %s changed", e.inProject(changes[0]))
				return true, nil
			}
			names := s.functions(changes, st)
			if len(names) == 0 {
				continue
			}
			e.progressf("[watch] %s changed: %s", e.inProject(changes[0]), strings.Join(names, ", "))
			if done != nil {
				cancel(errNewerChange)
				<-done
				if all { // what was cancelled was about all of them
					names = nil
				}
			}
			if !all {
				for _, n := range due { // failed or cancelled before
					if !slices.Contains(names, n) {
						names = append(names, n)
					}
				}
				due = names
			}
			start(names)
		}
	}
}

func (s *watchSession) stackChanged(changes []string) bool {
	return slices.ContainsFunc(changes, func(p string) bool { return slices.Contains(s.stack, p) })
}

// functions are those that the changed paths concern, in stack-file order.
func (s *watchSession) functions(changes []string, st *stack.File) []string {
	if st == nil {
		return nil
	}
	hit := map[string]bool{}
	for _, p := range changes {
		for _, shared := range s.shared {
			if overlaps(shared, p) {
				for _, fn := range st.Functions {
					hit[fn.Name] = !fn.SkipBuild
				}
			}
		}
		for folder, names := range s.of {
			if overlaps(folder, p) {
				for _, n := range names {
					hit[n] = true
				}
			}
		}
	}
	var names []string
	for _, fn := range st.Functions {
		if hit[fn.Name] {
			names = append(names, fn.Name)
		}
	}
	return names
}

// overlaps reports whether path is folder, in it, or a folder that it is in:
// one that came or went takes everything below with it.
func overlaps(folder, path string) bool {
	sep := string(filepath.Separator)
	return path == folder || strings.HasPrefix(path, folder+sep) || strings.HasPrefix(folder, path+sep)
}

// shown is a path as the user knows it.
func (e *Env) inProject(path string) string {
	if rel, err := filepath.Rel(e.Dir, path); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return path
}

func functionNames(st *stack.File) string {
	names := make([]string, len(st.Functions))
	for i, fn := range st.Functions {
		names[i] = fn.Name
	}
	return strings.Join(names, ", ")
}

// only leaves the named functions, all if none is named.
func only(st *stack.File, names []string) error {
	if names == nil {
		return nil
	}
	kept := slices.DeleteFunc(slices.Clone(st.Functions), func(fn stack.Function) bool { return !slices.Contains(names, fn.Name) })
	if len(kept) == 0 {
		return fmt.Errorf("functions %s are no longer in the stack file", strings.Join(names, ", "))
	}
	st.Functions = kept
	return nil
}
