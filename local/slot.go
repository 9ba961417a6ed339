package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// Times of a replica's life.
const (
	defaultStartLimit = 2 * time.Minute        // from start to healthy; an engine may have to pull the image first
	backOffFirst      = 100 * time.Millisecond // one crash costs the callers next to nothing
	backOffMax        = 30 * time.Second
	backOffReset      = 30 * time.Second // after so long a healthy life, a crash counts as the first again
	callersWait       = time.Second      // callers wait for a replica that is tried again within this time
	portTries         = 3                // with as many ports, until it is a failure that a replica lost its own
	stopAllowance     = 10 * time.Second // beyond the grace, for a runtime to end a replica
)

// slot keeps one replica of one revision running: it starts it, waits until it is healthy, and starts another when it
// ends, with back-off.
type slot struct {
	f      *function
	rt     runtime.Runtime
	spec   runtime.Spec
	grace  time.Duration
	cancel context.CancelFunc
	done   chan struct{} // closed when the slot has ended and nothing of it is left
	first  chan error    // the outcome of the first start; buffered
	again  chan struct{} // ends a back-off early; buffered

	// Guarded by f.mu.
	endpoint *endpoint       // nil unless ready
	replica  runtime.Replica // nil unless there is one
}

// startSlot starts a slot that lives until its retire. adopted is a replica from before a restart of the platform, or nil.
func startSlot(ctx context.Context, f *function, rt runtime.Runtime, spec runtime.Spec, adopted runtime.Replica) *slot {
	s := &slot{
		f: f, rt: rt, spec: spec, grace: graceOf(spec.Env),
		done: make(chan struct{}), first: make(chan error, 1), again: make(chan struct{}, 1),
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx)) // it outlives the request that wanted it
	f.fleet.slots.Go(func() { s.run(ctx, adopted) })
	return s
}

// retire takes the replica out of service at once; it then ends in its own time, see done.
func (s *slot) retire() {
	s.f.withdraw(s)
	s.cancel()
}

// retry ends a back-off.
func (s *slot) retry() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

func (s *slot) run(ctx context.Context, adopted runtime.Replica) {
	defer close(s.done)
	for wait := backOffFirst; ; wait = min(2*wait, backOffMax) {
		began := time.Now()
		err := s.somewhere(ctx, adopted)
		adopted = nil
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > backOffReset {
			wait = backOffFirst
		}
		away := runtime.IsAway(err)
		if away {
			wait = backOffFirst // the rest of the wait is for the runtime
		}
		s.report(err)
		s.f.failed(s, err, wait)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-s.again:
			wait = backOffFirst
		case <-ctx.Done():
		}
		t.Stop()
		if d, ok := s.rt.(runtime.Dependent); ok && away {
			_ = d.Await(ctx) // fails only with ctx
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// errPortLost says that another program has the port that a replica was to listen on.
var errPortLost = errors.New("another program took its port")

// somewhere is once, and again when the replica lost its port: a process is told a free one, which nothing keeps for it
// until it listens.
func (s *slot) somewhere(ctx context.Context, adopted runtime.Replica) error {
	for try := 1; ; try++ {
		err := s.once(ctx, adopted)
		if !errors.Is(err, errPortLost) || try == portTries {
			return err
		}
		s.f.fleet.log.Warn("start a replica anew", "function", s.f.ref.String(), "error", err)
		adopted = nil
	}
}

// withPortLost marks the error of a replica that ended before it was healthy, and whose port another program has: of the
// replica itself nothing is left.
func (s *slot) withPortLost(ctx context.Context, r runtime.Replica, err error) error {
	var exit *runtime.ExitError
	if s.rt.Kind() != runtime.Process || !errors.As(err, &exit) {
		return err
	}
	l, taken := new(net.ListenConfig).Listen(ctx, "tcp", r.Info().Address)
	if taken == nil {
		_ = l.Close()
	}
	if errors.Is(taken, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: %w", errPortLost, err)
	}
	return err
}

// once runs one replica from start to end. It returns how it failed, or anything when ctx has ended.
func (s *slot) once(ctx context.Context, r runtime.Replica) error {
	secrets, version, err := s.f.fleet.secretsOf(s.spec.Namespace, s.f.secretNames(s))
	if err != nil {
		return err
	}
	adopted := r != nil
	if !adopted {
		spec := s.spec
		spec.Secrets = secrets
		if r, err = s.rt.Start(ctx, spec); err != nil {
			return err
		}
	}
	s.hold(r)
	defer s.hold(nil)
	if adopted || s.f.fleet.secretsVersion.Load() != version { // nobody told this replica of a secret that changed since
		if err := s.f.refreshSecrets(ctx, s, r); err != nil {
			s.f.fleet.log.Warn("update secrets", "function", s.f.ref.String(), "error", err)
		}
	}

	limited, cancel := context.WithTimeoutCause(ctx, s.f.fleet.startLimit, errNeverHealthy)
	err = runtime.WaitHealthy(limited, s.f.fleet.probes, r, s.spec.Annotations[runtime.HealthPathAnnotation])
	cancel()
	if err != nil {
		s.stop(ctx, r)
		return s.withPortLost(ctx, r, err)
	}
	ep := newEndpoint(r.Info().Address, s)
	if !s.f.announce(ctx, s, ep) {
		s.stop(ctx, r)
		return nil
	}
	s.report(nil)
	select {
	case <-r.Done():
		s.f.withdraw(s)
		s.stop(ctx, r) // it has ended, and what it started is to end too
		return &runtime.ExitError{Replica: r.Info().ID, Exit: r.Exit()}
	case <-ctx.Done():
		s.f.withdraw(s)
		ep.drain(s.grace)
		s.stop(ctx, r)
		return nil
	}
}

// errNeverHealthy is the cause when a replica does not become healthy in time.
var errNeverHealthy = errors.New("it did not become healthy in time")

// report tells whoever waits for the first start how it went.
func (s *slot) report(err error) {
	select {
	case s.first <- err:
	default:
	}
}

func (s *slot) hold(r runtime.Replica) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.replica = r
}

func (s *slot) stop(ctx context.Context, r runtime.Replica) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace+stopAllowance)
	defer cancel()
	if err := r.Stop(ctx, s.grace); err != nil {
		s.f.fleet.log.Error("stop a replica", "function", s.f.ref.String(), "replica", r.Info().ID, "error", err)
	}
}

// Grace of a replica, from the request to end until it is ended by force.
const (
	graceDefault = 10 * time.Second
	graceMax     = 2 * time.Minute
)

// graceOf lets a function finish what its own timeouts allow it.
func graceOf(env map[string]string) time.Duration {
	grace := graceDefault
	for _, key := range []string{"write_timeout", "exec_timeout"} {
		if d, err := time.ParseDuration(env[key]); err == nil {
			grace = max(grace, d)
		}
	}
	return min(grace, graceMax)
}
