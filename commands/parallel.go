package commands

import (
	"errors"

	"golang.org/x/sync/errgroup"
)

// defaultParallel is how many requests a command has in flight, where it has
// many to send.
const defaultParallel = 8

// inParallel does n jobs, at most limit at once. As each is done, and those
// before it, done hears of it: in order, from one goroutine. It returns the
// jobs' errors joined in the same order.
func inParallel(n, limit int, job func(i int) error, done func(i int, err error)) error {
	errs := make([]error, n)
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
	for i := range n {
		g.Go(func() error {
			defer close(finished[i])
			errs[i] = job(i)
			return nil // keep the others going
		})
	}
	_ = g.Wait()
	_ = reporter.Wait()
	return errors.Join(errs...)
}
