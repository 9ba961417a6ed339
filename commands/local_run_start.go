package commands

import (
	"context"
	"errors"
)

// watchLocalRun runs functions until Ctrl-C, again when their files change.
func watchLocalRun(context.Context, *Env, localRunOptions) error {
	return errors.New("local-run --watch is not part of this version yet")
}

// runLocally starts the functions and waits for their end, or Ctrl-C's.
func (e *Env) runLocally(context.Context, localRunOptions, *localRun) error {
	return errors.New("local-run without --print is not part of this version yet")
}
