package commands

import (
	"context"
	"fmt"
	"io"
)

// readStdin reads standard input to its end, at most limit bytes. A read from
// a terminal or a pipe cannot be interrupted, so when ctx ends first the read
// is left behind: the process is about to end.
func (e *Env) readStdin(ctx context.Context, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(e.Term.In, limit+1))
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.err == nil && int64(len(r.data)) > limit {
			r.err = fmt.Errorf("standard input is longer than %d bytes", limit)
		}
		return r.data, r.err
	}
}
