package local

import (
	"sync"
	"time"
)

// endpoint is the address of a replica that is ready, and the calls that are on their way to it.
type endpoint struct {
	address string
	slot    *slot

	mu       sync.Mutex
	pool     []*upstream // idle connections, the last used last
	inFlight int
	closed   bool          // no new calls
	gone     chan struct{} // closed with it
	idle     chan struct{} // closed when closed and nothing is in flight
}

func newEndpoint(address string, s *slot) *endpoint {
	return &endpoint{address: address, slot: s, gone: make(chan struct{}), idle: make(chan struct{})}
}

// acquire registers a call; it fails when the replica is about to go. Every success is followed by one release.
func (e *endpoint) acquire() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.inFlight++
	return true
}

func (e *endpoint) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inFlight--
	if e.closed && e.inFlight == 0 {
		close(e.idle)
	}
}

// close refuses new calls.
func (e *endpoint) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	close(e.gone)
	for _, u := range e.pool {
		_ = u.conn.Close()
	}
	e.pool = nil
	if e.inFlight == 0 {
		close(e.idle)
	}
}

// settle waits a moment for the end of a replica that broke off a call: most often it is ending, and then the next call
// of the same caller is not to meet it again.
func (e *endpoint) settle() {
	t := time.NewTimer(endNoticed)
	defer t.Stop()
	select {
	case <-e.gone:
	case <-t.C:
	}
}

// endNoticed is how long the end of a process takes to be noticed.
const endNoticed = 200 * time.Millisecond

// drain waits until the calls in flight are answered, at most for d.
func (e *endpoint) drain(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-e.idle:
	case <-t.C:
	}
}
