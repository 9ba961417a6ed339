package commands

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/stack"
)

// TestWatchTakesAStackFileMendedBeforeItIsWatched ensures that a file which is
// whole again before its watch begins needs no further change to be noticed.
func TestWatchTakesAStackFileMendedBeforeItIsWatched(t *testing.T) {
	t.Parallel()
	env, _, _ := faultEnv(t, "")
	env.Dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reads, ran := 0, false
	err := env.watchLoop(ctx, watched{
		files: func(context.Context) (*stack.File, error) {
			if reads++; reads == 1 {
				return nil, errors.New("half written")
			}
			return &stack.File{}, nil
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
}
