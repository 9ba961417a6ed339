package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/internal/progress"
	"github.com/faas-cli/faas-cli/internal/watch"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// A watched command is run again for the functions whose files change.
type watched struct {
	// stack says where the stack file is, also when it cannot be read.
	stack stackFlags
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

// superseded says that ctx was cancelled for a newer change, so that nobody
// wants to hear how its work ended.
func superseded(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errNewerChange) }

// watchLoop runs w, and again after each change, until ctx ends; that is its
// normal end. Nothing that goes wrong in between ends it: what failed is tried
// again with the next change.
func (e *Env) watchLoop(ctx context.Context, w watched) error {
	var known []string // stack files of the session before
	for {
		before := readContents(union(e.stackCandidates(w.stack), known))
		st, unreadable := w.files(ctx)
		if unreadable != nil && st == nil {
			if ctx.Err() != nil {
				return watchEnd(ctx)
			}
			e.reportWatched(unreadable)
		}
		session, err := e.watchSession(ctx, w, st, known)
		if err != nil {
			return err
		}
		known = session.stack
		if path := before.changed(); path != "" { // before it was watched, so that no change tells
			e.progressf("[watch] %s changed", e.inProject(path))
			session.close()
			continue
		}
		again, err := session.serve(ctx, e, w, st)
		session.close()
		if err != nil || !again {
			return errors.Join(err, watchEnd(ctx))
		}
	}
}

// contents are what files held at one moment, in their order.
type contents []fileContent

type fileContent struct {
	path string
	data []byte // nil: it cannot be read
}

func readContents(paths []string) contents {
	var c contents
	for _, path := range paths {
		data, _ := os.ReadFile(path) // that there is none is something to compare, too
		c = append(c, fileContent{path, data})
	}
	return c
}

// changed is the first of the files that now holds something else, or nothing.
func (c contents) changed() string {
	for _, f := range c {
		data, _ := os.ReadFile(f.path)
		if !bytes.Equal(data, f.data) || (data == nil) != (f.data == nil) {
			return f.path
		}
	}
	return ""
}

// reportWatched shows an error that does not end the watch.
func (e *Env) reportWatched(err error) {
	e.report(err, "faas-cli")
	e.progressf("[watch] waiting for a change that fixes it")
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

func (e *Env) watchSession(ctx context.Context, w watched, st *stack.File, known []string) (*watchSession, error) {
	s := &watchSession{of: map[string][]string{}}
	if st == nil { // it cannot be read: wait until it is fixed
		s.stack = union(e.stackCandidates(w.stack), known)
	} else {
		s.stack = e.localPaths(st.Paths)
		for _, p := range slices.Concat(st.CopyExtra, w.extras) {
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

// stackCandidates are the files that a stack may be read from, whether they
// exist or not.
func (e *Env) stackCandidates(f stackFlags) []string {
	if f.explicit {
		return e.localPaths(f.files)
	}
	names := []string{"stack.yaml", "stack.yml"}
	if d, err := stack.Discover(e.Dir, nil); err == nil {
		names = union(names, d.Paths)
	}
	return e.localPaths(names)
}

// localPaths are those of paths that are files on this machine, absolute.
func (e *Env) localPaths(paths []string) []string {
	var local []string
	for _, p := range paths {
		if p != "" && !stack.IsURL(p) {
			local = append(local, e.abs(p))
		}
	}
	return local
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
func (s *watchSession) serve(ctx context.Context, e *Env, w watched, st *stack.File) (bool, error) {
	var work watchedWork
	defer work.stop()
	var due []string // functions that are still to be brought up to date; nil is all of them
	if st != nil {
		e.progressf("[watch] %s: %s", count(len(st.Functions), "function"), functionNames(st))
		work.start(ctx, e, w, nil)
	}
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case err := <-work.done:
			work.done = nil
			if err != nil && ctx.Err() == nil {
				e.reportWatched(err)
			} else {
				due = []string{}
			}
		case changes, ok := <-s.watcher.Changes():
			if !ok {
				return false, s.watcher.Err()
			}
			if file := s.stackChanged(changes); file != "" {
				e.progressf("[watch] %s changed", e.inProject(file))
				return true, nil
			}
			changed := s.functions(changes, st)
			if len(changed) == 0 {
				continue
			}
			e.progressf("[watch] %s changed: %s", e.inProject(changes[0]), strings.Join(changed, ", "))
			work.stop()
			if due != nil {
				due = union(changed, due)
			}
			work.start(ctx, e, w, due)
		}
	}
}

// watchedWork is one run of a watched command.
type watchedWork struct {
	cancel context.CancelCauseFunc
	done   chan error // nil: nothing runs
}

func (r *watchedWork) start(ctx context.Context, e *Env, w watched, only []string) {
	ctx, r.cancel = context.WithCancelCause(ctx)
	r.done = make(chan error, 1)
	began := e.Now()
	go func(done chan<- error) { // stop waits for it
		err := w.run(ctx, only)
		if err == nil {
			e.progressf("[watch] done in %s; waiting for changes, Ctrl-C to end", progress.Duration(e.Now().Sub(began)))
		}
		done <- err
	}(r.done)
}

// stop cancels what runs, for the sake of a newer change, and waits for its end.
func (r *watchedWork) stop() {
	if r.done == nil {
		return
	}
	r.cancel(errNewerChange)
	<-r.done
	r.done = nil
}

// union is a with what only b has behind it.
func union(a, b []string) []string {
	for _, name := range b {
		if !slices.Contains(a, name) {
			a = append(a, name)
		}
	}
	return a
}

// stackChanged is the stack file among the changes, or nothing.
func (s *watchSession) stackChanged(changes []string) string {
	for _, p := range changes {
		if slices.Contains(s.stack, p) {
			return p
		}
	}
	return ""
}

// functions are those that the changed paths concern, in stack-file order.
func (s *watchSession) functions(changes []string, st *stack.File) []string {
	if st == nil {
		return nil
	}
	touched := func(folder string) bool {
		return slices.ContainsFunc(changes, func(p string) bool { return overlaps(folder, p) })
	}
	hit := map[string]bool{}
	for folder, names := range s.of {
		if touched(folder) {
			for _, n := range names {
				hit[n] = true
			}
		}
	}
	all := slices.ContainsFunc(s.shared, touched)
	var names []string
	for _, fn := range st.Functions {
		if hit[fn.Name] || all && !fn.SkipBuild {
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

// inProject is a path as the user knows it: relative, if it is in the project.
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
