package commands

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errWaitedLongEnough ends a wait by its own limit.
var errWaitedLongEnough = errors.New("waited long enough")

// waitUntil asks until the answer is nil, and fails after limit with the last
// one; 0 means no limit. missing says what is then the case.
func waitUntil(ctx context.Context, missing string, limit time.Duration, ask func(context.Context) error) error {
	bound := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		bound, cancel = context.WithTimeoutCause(ctx, limit, errWaitedLongEnough)
		defer cancel()
	}
	var last error
	for {
		err := ask(bound)
		if err == nil || hopeless(err) {
			return err
		}
		if bound.Err() == nil {
			last = err
			err = sleep(bound, waitInterval)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && last == nil:
			return fmt.Errorf("%s within %s", missing, limit)
		case err != nil:
			return fmt.Errorf("%s within %s: %w", missing, limit, last)
		}
	}
}
