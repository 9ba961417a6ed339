package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// function is a deployed function: what is wanted of it, and the replicas that there are.
type function struct {
	ref   runtime.Ref
	fleet *fleet

	// turn holds one token; whoever changes the function has it. A channel, so that waiting for it can end.
	turn chan struct{}

	invocations atomic.Uint64
	next        atomic.Uint32 // round robin

	ready atomic.Pointer[[]*endpoint] // what calls may go to; replaced, never changed

	mu      sync.Mutex
	rec     record
	slots   []*slot // of the current revision
	gone    bool
	changed chan struct{} // closed and replaced when callers have something to look at
	failure error         // why there is no replica, and none soon; nil: callers wait
}

func newFunction(fl *fleet, ref runtime.Ref) *function {
	f := &function{ref: ref, fleet: fl, turn: make(chan struct{}, 1), changed: make(chan struct{})}
	f.ready.Store(&[]*endpoint{})
	return f
}

// lock takes the turn. It fails when ctx ends first, or when the function was removed meanwhile.
func (f *function) lock(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.isGone() {
		f.unlock()
		return errNoFunction
	}
	return nil
}

func (f *function) unlock() { <-f.turn }

func (f *function) isGone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

// current returns the record.
func (f *function) current() record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rec
}

// available counts the replicas that take calls.
func (f *function) available() int { return len(*f.ready.Load()) }

// secretNames are those of the deployment that the slot belongs to.
func (f *function) secretNames(s *slot) []string {
	names := make([]string, 0, len(s.spec.Secrets))
	for name := range s.spec.Secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// refreshSecrets hands the replica what its secrets are now.
func (f *function) refreshSecrets(ctx context.Context, s *slot, r runtime.Replica) error {
	secrets, _, err := f.fleet.secretsOf(f.ref.Namespace, f.secretNames(s))
	if err != nil {
		return err
	}
	return r.SetSecrets(ctx, secrets)
}

// notify wakes everyone who waits for a change. f.mu is held.
func (f *function) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// announce makes a replica available; it refuses when the slot is already to end.
func (f *function) announce(ctx context.Context, s *slot, ep *endpoint) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	s.endpoint = ep
	f.failure = nil
	ready := append(slices.Clone(*f.ready.Load()), ep)
	f.ready.Store(&ready)
	f.notify()
	return true
}

// withdraw takes the slot's replica out of service, if it is in it.
func (f *function) withdraw(s *slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ep := s.endpoint
	if ep == nil {
		return
	}
	s.endpoint = nil
	ready := slices.DeleteFunc(slices.Clone(*f.ready.Load()), func(e *endpoint) bool { return e == ep })
	f.ready.Store(&ready)
	ep.close()
}

// failed notes that a replica ended or could not start, and is tried again after wait.
func (f *function) failed(s *slot, err error, wait time.Duration) {
	f.fleet.log.Warn("replica failed", "function", f.ref.String(), "error", err, "retry", wait.String())
	f.mu.Lock()
	defer f.mu.Unlock()
	if (wait >= callersWait || runtime.IsAway(err)) && slices.Contains(f.slots, s) && f.available() == 0 {
		f.failure = err
	}
	f.notify()
}

// Errors of a call.
var (
	errNoFunction = errors.New("no such function")
	errNotReady   = errors.New("no replica is ready")
)

// acquire returns a replica that takes the call, starting one if the function is scaled to zero. It waits as long as one
// may be expected, at most until ctx ends. The caller releases it.
func (f *function) acquire(ctx context.Context) (*endpoint, error) {
	for {
		if ep := f.pick(); ep != nil {
			return ep, nil
		}
		f.mu.Lock()
		changed, failure, asleep, gone := f.changed, f.failure, f.rec.Replicas == 0, f.gone
		f.mu.Unlock()
		switch {
		case f.available() > 0: // one has come between the two looks
			continue
		case gone:
			return nil, errNoFunction
		case failure != nil:
			return nil, fmt.Errorf("%w: %w", errNotReady, failure)
		case asleep:
			if err := f.wake(ctx); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pick returns the next ready replica with the call registered, or nil.
func (f *function) pick() *endpoint {
	for {
		ready := *f.ready.Load()
		if len(ready) == 0 {
			return nil
		}
		if ep := ready[int(f.next.Add(1))%len(ready)]; ep.acquire() {
			return ep
		}
	}
}

// wake starts a replica of a function that is scaled to zero.
func (f *function) wake(ctx context.Context) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	if f.current().Replicas > 0 {
		return nil
	}
	return f.scaleLocked(ctx, 1)
}

// scale sets the number of replicas; they come and go in their own time.
func (f *function) scale(ctx context.Context, n int) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	return f.scaleLocked(ctx, n)
}

// scaleLocked does it; the caller has the turn.
func (f *function) scaleLocked(ctx context.Context, n int) error {
	rec := f.current()
	rec.Replicas = n
	rt, spec, err := f.fleet.specOf(rec)
	if err != nil && n > 0 && !runtime.IsAway(err) {
		return err
	}
	if err := f.fleet.state.writeFunction(rec); err != nil {
		return fmt.Errorf("scale %s: %w", f.ref, err)
	}
	f.mu.Lock()
	f.rec = rec
	f.failure = err // while the runtime is away, it is what is wanted that changes
	surplus := f.slots[min(n, len(f.slots)):]
	f.slots = slices.Clone(f.slots[:min(n, len(f.slots))])
	if err == nil {
		f.fill(ctx, rt, spec)
	}
	f.notify()
	f.mu.Unlock()
	for _, s := range surplus {
		s.retire()
	}
	f.fleet.metrics.scaled(f.ref, n)
	return nil
}

// fill starts the replicas that are missing, taking over those that run already. The caller has the turn and f.mu.
func (f *function) fill(ctx context.Context, rt runtime.Runtime, spec runtime.Spec) {
	a := f.fleet.attachment(rt.Kind())
	for len(f.slots) < f.rec.Replicas {
		f.slots = append(f.slots, startSlot(ctx, f, rt, spec, a.take(generation{f.ref, f.rec.Revision})))
	}
}

// resume starts what is recorded and does not run, if the runtime is there. The caller has the turn.
func (f *function) resume(ctx context.Context) {
	rt, spec, err := f.fleet.specOf(f.current())
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.slots) > 0 {
		return
	}
	if f.failure = err; err == nil {
		f.fill(ctx, rt, spec)
	}
	f.notify()
}

// rollOut replaces the replicas by those of rec. The old ones serve until every new one is healthy; if one fails
// first, the new ones go and the old stay, and the error says why. For a function that had none, the new ones stay and
// are tried again. The caller has the turn.
func (f *function) rollOut(ctx context.Context, rec record) error {
	rt, spec, err := f.fleet.specOf(rec)
	if err != nil {
		return err
	}
	f.mu.Lock()
	old := f.slots
	same := f.rec.Revision == rec.Revision && f.rec.Runtime == rec.Runtime && len(old) == rec.Replicas
	f.mu.Unlock()
	if same {
		return f.settle(ctx, rec, old)
	}
	if len(old) == 0 { // what follows cannot harm anybody: keep it, whatever comes
		if err := f.commit(rec, nil); err != nil {
			return err
		}
	}
	slots := make([]*slot, rec.Replicas)
	for i := range slots {
		slots[i] = startSlot(ctx, f, rt, spec, nil)
	}
	if len(old) == 0 {
		f.mu.Lock()
		f.slots = slots
		f.mu.Unlock()
		return firstError(ctx, slots)
	}
	err = firstError(ctx, slots)
	if err == nil {
		err = f.commit(rec, slots)
	}
	if err != nil {
		old = slots
	}
	for _, s := range old {
		s.retire()
	}
	if err != nil {
		for _, s := range old {
			<-s.done
		}
	}
	return err
}

// settle is a roll-out of what runs already: failed replicas are tried again at once.
func (f *function) settle(ctx context.Context, rec record, slots []*slot) error {
	if err := f.commit(rec, slots); err != nil {
		return err
	}
	if f.available() == len(slots) {
		return nil
	}
	for _, s := range slots {
		s.retry()
	}
	ep, err := f.acquire(ctx)
	if err != nil {
		return err
	}
	ep.release()
	return nil
}

// commit makes rec what is wanted, on disk first.
func (f *function) commit(rec record, slots []*slot) error {
	if err := f.fleet.state.writeFunction(rec); err != nil {
		return fmt.Errorf("save %s: %w", f.ref, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rec, f.slots, f.failure = rec, slots, nil
	f.fleet.metrics.scaled(f.ref, rec.Replicas)
	f.notify()
	return nil
}

// firstError waits for the first start of every slot, or for ctx.
func firstError(ctx context.Context, slots []*slot) error {
	for _, s := range slots {
		select {
		case err := <-s.first:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// stopAll ends every replica and waits until nothing is left. The caller has the turn, or nobody else can.
func (f *function) stopAll() {
	f.mu.Lock()
	slots := f.slots
	f.slots = nil
	f.mu.Unlock()
	for _, s := range slots {
		s.retire()
	}
	for _, s := range slots {
		<-s.done
	}
}

// remove ends the function and forgets it. The caller has the turn.
func (f *function) remove(ctx context.Context) error {
	if err := f.fleet.state.removeFunction(f.ref); err != nil {
		return fmt.Errorf("remove %s: %w", f.ref, err)
	}
	f.stopAll()
	kind := f.current().Runtime
	f.mu.Lock()
	f.gone = true
	f.notify()
	f.mu.Unlock()
	f.fleet.forget(f)
	a := f.fleet.attachment(kind)
	if a == nil {
		return nil
	}
	rt, err := a.attached()
	if err != nil { // it forgets when it is attached
		return nil
	}
	err = rt.Forget(context.WithoutCancel(ctx), f.ref)
	if runtime.IsAway(err) {
		f.fleet.log.Info("what is left of a function is removed later", "function", f.ref.String(), "reason", err)
		return nil
	}
	return err
}
