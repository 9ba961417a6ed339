package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// RuntimeSource makes a runtime of a platform.
type RuntimeSource struct {
	Kind runtime.Kind

	// Connect makes the runtime. While it fails with an error for which [runtime.IsAway], functions that need the runtime
	// wait, and it is tried again.
	Connect func(ctx context.Context) (runtime.Runtime, error)

	// Required says that a platform is not to start while Connect fails.
	Required bool
}

// Ready is the source of a runtime that depends on nothing.
func Ready(rt runtime.Runtime) RuntimeSource {
	return RuntimeSource{Kind: rt.Kind(), Connect: func(context.Context) (runtime.Runtime, error) { return rt, nil }}
}

// RuntimeState says whether functions can run.
type RuntimeState struct {
	Kind runtime.Kind `json:"kind"`
	// Away is why the runtime cannot be used now; empty: it can.
	Away string `json:"away,omitempty"`
	// Waiting are the functions, NAME.NAMESPACE each, that have no replica until it comes back. Never null.
	Waiting []string `json:"waiting"`
}

// attachment is a runtime of a fleet, or the wait for one.
type attachment struct {
	RuntimeSource
	turn chan struct{} // one token; whoever connects has it

	mu     sync.Mutex
	rt     runtime.Runtime // nil until it is attached
	err    error           // why it is not
	adopts map[generation][]runtime.Replica
}

// generation is the replicas of one function that were started from the same.
type generation struct {
	runtime.Ref
	revision string
}

// Times between attempts to attach a runtime that is away.
const (
	attachFirst = 100 * time.Millisecond
	attachMax   = 2 * time.Second
)

func newAttachments(sources []RuntimeSource) []*attachment {
	all := make([]*attachment, len(sources))
	for i, s := range sources {
		all[i] = &attachment{RuntimeSource: s, turn: make(chan struct{}, 1), err: errors.New("not attached yet")}
	}
	return all
}

// attached returns the runtime, or why there is none.
func (a *attachment) attached() (runtime.Runtime, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rt == nil {
		return nil, a.err
	}
	return a.rt, nil
}

// take returns a replica of the generation that was taken over and that nobody has yet, or nil.
func (a *attachment) take(g generation) runtime.Replica {
	a.mu.Lock()
	defer a.mu.Unlock()
	rest := a.adopts[g]
	if len(rest) == 0 {
		return nil
	}
	a.adopts[g] = rest[1:]
	return rest[0]
}

// takeAll returns those that are left.
func (a *attachment) takeAll() []runtime.Replica {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []runtime.Replica
	for _, rest := range a.adopts {
		all = append(all, rest...)
	}
	a.adopts = nil
	return all
}

// attachment returns that of a kind, or nil.
func (fl *fleet) attachment(kind runtime.Kind) *attachment {
	i := slices.IndexFunc(fl.runtimes, func(a *attachment) bool { return a.Kind == kind })
	if i < 0 {
		return nil
	}
	return fl.runtimes[i]
}

// attachedRuntimes are those that are there.
func (fl *fleet) attachedRuntimes() []runtime.Runtime {
	var all []runtime.Runtime
	for _, a := range fl.runtimes {
		if rt, err := a.attached(); err == nil {
			all = append(all, rt)
		}
	}
	return all
}

// attach makes the runtime and brings back the functions that wait for it, unless that was done before.
func (fl *fleet) attach(ctx context.Context, a *attachment) (runtime.Runtime, error) {
	if rt, err := a.attached(); err == nil {
		return rt, nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if rt, err := a.attached(); err == nil {
		return rt, nil
	}
	rt, adopted, err := fl.connect(ctx, a)
	if err != nil {
		if ctx.Err() == nil {
			fl.suspend(a, err)
		}
		return nil, err
	}
	a.mu.Lock()
	a.rt, a.err, a.adopts = rt, nil, map[generation][]runtime.Replica{}
	for _, r := range adopted {
		g := generation{r.Info().Ref, r.Info().Revision}
		a.adopts[g] = append(a.adopts[g], r)
	}
	a.mu.Unlock()
	fl.task(func(ctx context.Context) { fl.resume(ctx, a, rt) })
	return rt, nil
}

// connect makes the runtime, takes over its replicas, and opens what they need before any starts.
func (fl *fleet) connect(ctx context.Context, a *attachment) (runtime.Runtime, []runtime.Replica, error) {
	rt, err := a.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	adopted, err := rt.Adopt(ctx, func(ref runtime.Ref) bool { return fl.lookup(ref) != nil })
	if err == nil && fl.prepare != nil {
		err = fl.prepare(ctx, rt)
	}
	if err != nil {
		return nil, nil, errors.Join(err, rt.Close())
	}
	return rt, adopted, nil
}

// suspend notes why a runtime is not there, for those who call its functions.
func (fl *fleet) suspend(a *attachment, err error) {
	a.mu.Lock()
	a.err = err
	a.mu.Unlock()
	for _, f := range fl.list("") {
		f.mu.Lock()
		if f.rec.Runtime == a.Kind && len(f.slots) == 0 {
			f.failure = err
			f.notify()
		}
		f.mu.Unlock()
	}
}

// resume brings back the functions that wait for the runtime, and ends the replicas that none of them wants.
func (fl *fleet) resume(ctx context.Context, a *attachment, rt runtime.Runtime) {
	var g sync.WaitGroup
	for _, f := range fl.list("") {
		g.Go(func() {
			if f.lock(ctx) == nil { // a change that is under way brings it back itself
				defer f.unlock()
				f.resume(ctx)
			}
		})
	}
	g.Wait()
	if ctx.Err() != nil {
		return
	}
	for _, r := range a.takeAll() { // of removed functions and older generations
		ref := r.Info().Ref
		err := r.Stop(ctx, graceDefault)
		if err == nil && fl.lookup(ref) == nil {
			err = rt.Forget(ctx, ref)
		}
		if err != nil {
			fl.log.Warn("stop a replica that nobody wants", "replica", r.Info().ID, "error", err)
		}
	}
}

// await attaches a runtime that is away as soon as it comes back.
func (fl *fleet) await(ctx context.Context, a *attachment) {
	_, last := a.attached()
	for wait := attachFirst; last != nil; wait = min(2*wait, attachMax) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		_, err := fl.attach(ctx, a)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			fl.log.Info("runtime is available", "runtime", a.Kind)
		case err.Error() != last.Error():
			fl.log.Warn("runtime is away", "runtime", a.Kind, "error", err)
		}
		last = err
	}
}

// used says whether the runtime left something in the state folder, so that somebody may wait for it.
func (fl *fleet) used(a *attachment) bool {
	_, err := os.Stat(filepath.Join(fl.state.dir, string(a.Kind)))
	return err == nil
}

// task runs something that ends with the fleet. After the fleet's close it does nothing.
func (fl *fleet) task(run func(ctx context.Context)) {
	fl.mu.RLock()
	defer fl.mu.RUnlock()
	if !fl.closing {
		fl.tasks.Go(func() { run(fl.life) })
	}
}

// states describes the runtimes.
func (fl *fleet) states(ctx context.Context) []RuntimeState {
	all := make([]RuntimeState, len(fl.runtimes))
	for i, a := range fl.runtimes {
		all[i] = RuntimeState{Kind: a.Kind, Waiting: []string{}}
		rt, err := a.attached()
		if d, ok := rt.(runtime.Dependent); ok {
			err = d.Reachable(ctx)
		}
		if err == nil {
			continue
		}
		all[i].Away = err.Error()
		for _, f := range fl.list("") {
			if f.current().Runtime == a.Kind && f.current().Replicas > 0 && f.available() == 0 {
				all[i].Waiting = append(all[i].Waiting, f.ref.String())
			}
		}
	}
	return all
}

// noRuntimeError refuses a deployment that only a runtime that is away could run.
type noRuntimeError struct {
	text string
	err  error
}

func (e *noRuntimeError) Error() string { return e.text }
func (e *noRuntimeError) Unwrap() error { return e.err }
