package commands

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/faas-cli/faas-cli/stack"
)

// TestWatchNoticesAStackFileThatChangesBeforeItIsWatched ensures that what
// happens to the file between its reading and its watch needs no further change
// to be noticed, is said, and is read before anything is run.
func TestWatchNoticesAStackFileThatChangesBeforeItIsWatched(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]struct {
		st  *stack.File
		err error
		say string
	}{
		"from broken to whole":    {err: errors.New("half written"), say: `(?s)error: half written\n.*`},
		"from whole to something": {st: &stack.File{Paths: []string{"stack.yml"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, _, stderr := faultEnv(t, "")
			ctx, cancel := context.WithCancel(t.Context())
			reads, readsBeforeRun := 0, 0
			_ = env.watchLoop(ctx, watched{
				files: func(context.Context) (*stack.File, error) {
					if reads++; reads > 1 {
						return &stack.File{Paths: []string{"stack.yml"}}, nil
					}
					if err := os.WriteFile(filepath.Join(env.Dir, "stack.yml"), []byte("saved once more"), 0o600); err != nil {
						t.Error(err)
					}
					return first.st, first.err
				},
				run: func(context.Context, []string) error {
					readsBeforeRun = reads
					cancel()
					return nil
				},
			})
			if readsBeforeRun != 2 {
				t.Errorf("the first run came after %d reads of the stack file, want 2", readsBeforeRun)
			}
			if want := first.say + `\[watch\] stack\.yml changed\n`; !regexp.MustCompile(want).MatchString(stderr.String()) {
				t.Errorf("reported %q, want %s", stderr, want)
			}
		})
	}
}

func TestWatchNamesTheStackFileAmongTheChanges(t *testing.T) {
	t.Parallel()
	s := watchSession{stack: []string{"/p/stack.yaml"}}
	if got := s.stackChanged([]string{"/p/fn/handler.go", "/p/stack.yaml"}); got != "/p/stack.yaml" {
		t.Errorf("changed: %q", got)
	}
	if got := s.stackChanged([]string{"/p/fn/handler.go"}); got != "" {
		t.Errorf("changed: %q", got)
	}
}
