package commands

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/gateway"
)

// defaultParallel is how many requests a command has in flight, where it has
// many to send.
const defaultParallel = 8

// errNotTried is the error of jobs that were not begun because another met
// what they would have met, too.
var errNotTried = errors.New("not tried")

// meetsAll says that an error of one request is that of all others: nobody
// answers, or nobody believes who we are. A 403 may be about one namespace.
func meetsAll(err error) bool {
	var e *gateway.Error
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || errors.Is(err, gateway.ErrUnreachable))
}

// inParallel does n jobs, at most limit at once. As each is done, and those
// before it, done hears of it: in order, from one goroutine. It returns the
// jobs' errors joined in the same order, and one for all that were not tried.
func inParallel(n, limit int, job func(i int) error, done func(i int, err error)) error {
	errs := make([]error, n)
	var pointless atomic.Bool
	finished := make([]chan struct{}, n)
	for i := range finished {
		finished[i] = make(chan struct{})
	}
	var reporter errgroup.Group
	reporter.Go(func() error {
		for i := range n {
			<-finished[i]
			done(i, errs[i])
		}
		return nil
	})
	var g errgroup.Group
	g.SetLimit(limit)
	var next atomic.Int64 // so that they begin in order, whichever goroutine comes first
	for range n {
		g.Go(func() error {
			i := int(next.Add(1)) - 1
			defer close(finished[i])
			if pointless.Load() {
				errs[i] = errNotTried
				return nil
			}
			if errs[i] = job(i); meetsAll(errs[i]) {
				pointless.Store(true)
			}
			return nil // keep the others going
		})
	}
	_ = g.Wait()
	_ = reporter.Wait()
	tried := slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, errNotTried) })
	if skipped := n - len(tried); skipped > 0 {
		tried = append(tried, fmt.Errorf("%d more: %w", skipped, errNotTried))
	}
	return errors.Join(tried...)
}
