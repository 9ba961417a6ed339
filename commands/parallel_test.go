package commands

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faas-cli/faas-cli/gateway"
)

// TestInParallelKeepsOrder: whatever finishes first, reports and errors come in
// the order of the jobs, and no more than the limit run at once.
func TestInParallelKeepsOrder(t *testing.T) {
	t.Parallel()
	const n, limit = 50, 4
	var running, peak atomic.Int32
	second := make(chan struct{})
	var order []int
	err := inParallel(n, limit, func(i int) error {
		peak.Store(max(peak.Load(), running.Add(1)))
		defer running.Add(-1)
		switch i {
		case 0:
			<-second // so that the first job is not the first to end
		case 1:
			close(second)
		}
		if i%20 == 3 {
			return fmt.Errorf("job %d", i)
		}
		return nil
	}, func(i int, err error) {
		order = append(order, i)
		if (err != nil) != (i%20 == 3) {
			t.Errorf("report of job %d has error %v", i, err)
		}
	})
	if !slices.IsSorted(order) || len(order) != n {
		t.Errorf("reports in order %v", order)
	}
	if err == nil || err.Error() != "job 3\njob 23\njob 43" {
		t.Errorf("errors = %v", err)
	}
	if peak.Load() > limit {
		t.Errorf("%d jobs at once; want at most %d", peak.Load(), limit)
	}
	tried := 0
	down := &gateway.Error{Op: "deploy", Err: gateway.ErrUnreachable}
	err = inParallel(5, 1, func(int) error { tried++; return down }, func(int, error) {})
	if tried != 1 || !errors.Is(err, down) || !strings.HasSuffix(err.Error(), "\n4 more: not tried") {
		t.Errorf("with a gateway that is down: %d tried, %v", tried, err)
	}
	if err := inParallel(0, 1, func(int) error { return errors.New("none") }, func(int, error) {}); err != nil {
		t.Errorf("without jobs: %v", err)
	}
}
