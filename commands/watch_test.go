package commands

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/stack"
)

// TestWatchTakesAStackFileMendedBeforeItIsWatched ensures that a file which is
// whole again before its watch begins needs no further change to be noticed, and
// that the report of what was wrong with it is followed by one that it changed.
func TestWatchTakesAStackFileMendedBeforeItIsWatched(t *testing.T) {
	t.Parallel()
	env, _, stderr := faultEnv(t, "")
	env.Dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reads, ran := 0, false
	err := env.watchLoop(ctx, watched{
		files: func(context.Context) (*stack.File, error) {
			if reads++; reads == 1 {
				return nil, errors.New("half written")
			}
			return &stack.File{Paths: []string{"stack.yml"}}, nil
		},
		run: func(context.Context, []string) error {
			ran = true
			cancel()
			return nil
		},
	})
	if !ran {
		t.Errorf("nothing was run after %d reads of the stack file (%v)", reads, err)
	}
	const want = `(?s)error: half written\n.*\[watch\] stack\.yml changed\n`
	if !regexp.MustCompile(want).MatchString(stderr.String()) {
		t.Errorf("reported %q, want %s", stderr, want)
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
