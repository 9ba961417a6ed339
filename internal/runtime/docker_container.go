package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// Times between attempts to hear of a container again after the engine went away.
const (
	reconnectFirst = 50 * time.Millisecond
	reconnectMax   = 2 * time.Second
	// restartTime is what an engine that is restarted takes until it answers again.
	restartTime = 5 * time.Second
)

// container is a replica in a container.
type container struct {
	d       *DockerRuntime
	id      string // the engine's
	info    Info
	foreign string // "linux/arm64, and the engine runs amd64"; empty: they fit

	done chan struct{}
	exit Exit // written before done is closed

	mu       sync.Mutex
	sampled  time.Time
	consumed time.Duration
	away     error // of the engine, since awayFrom; nil: it would tell of the end
	awayFrom time.Time
}

var (
	_ Replica = (*container)(nil)
	_ Usager  = (*container)(nil)
	_ losable = (*container)(nil)
)

// replica describes a running container of ours.
func (d *DockerRuntime) replica(c engine.Container) (*container, error) {
	r := &container{d: d, id: c.ID, done: make(chan struct{}), sampled: c.StartedAt, info: Info{
		Ref:      Ref{Name: c.Labels[labelFunction], Namespace: c.Labels[labelNamespace]},
		ID:       c.Labels[labelReplica],
		Revision: c.Labels[labelRevision],
		Started:  c.StartedAt,
	}}
	var err error
	if r.info.Address, err = d.addressOf(c); err != nil && !c.Running() {
		return r, nil // it ended at once; watch will say how, and it needs no address
	}
	return r, err
}

// watch waits for the end of the container, for as long as the runtime is open.
func (d *DockerRuntime) watch(r *container) {
	d.waits.Go(func() {
		for wait := reconnectFirst; ; wait = min(2*wait, reconnectMax) {
			exit, err := r.wait(d.ctx)
			if err == nil {
				r.exit = exit
				close(r.done)
				return
			}
			if engine.IsUnavailable(err) { // what the container does meanwhile the engine will tell
				r.setAway(err)
				if d.Await(d.ctx) != nil {
					return
				}
				r.setAway(nil)
			}
			select {
			case <-time.After(wait):
			case <-d.ctx.Done():
				return
			}
		}
	})
}

func (r *container) setAway(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away, r.awayFrom = err, time.Now()
}

func (r *container) lost() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away == nil || time.Since(r.awayFrom) < restartTime {
		return nil
	}
	return fmt.Errorf("the container engine went away while the function started: %w", engineAway(r.away))
}

// wait returns how the container ended, or an error while that cannot be known.
func (r *container) wait(ctx context.Context) (Exit, error) {
	removed := Exit{Code: -1, Reason: "its container was removed"}
	code, err := r.d.o.Engine.WaitContainer(ctx, r.id)
	if errors.Is(err, engine.ErrNotFound) {
		return removed, nil
	}
	if err != nil {
		return Exit{}, err
	}
	c, err := r.d.o.Engine.Container(ctx, r.id)
	if errors.Is(err, engine.ErrNotFound) {
		return removed, nil
	}
	if engine.IsUnavailable(err) || err == nil && engine.IsUnavailable(r.d.o.Engine.Reachable(ctx)) {
		return Exit{Code: code, Reason: "the container engine stopped, and the container with it"}, nil
	}
	if err != nil {
		return Exit{}, err
	}
	e := Exit{Code: code, OutOfMemory: c.OOMKilled}
	switch {
	case c.Error != "":
		e.Reason = c.Error
	case r.foreign != "" && code != 0:
		e.Reason = fmt.Sprintf("it exited with code %d: its image is for %s", code, r.foreign)
	}
	return e, nil
}

// Info implements [Replica].
func (r *container) Info() Info { return r.info }

// Done implements [Replica].
func (r *container) Done() <-chan struct{} { return r.done }

// Exit implements [Replica].
func (r *container) Exit() Exit { return r.exit }

// SetSecrets changes the files in the folder that the container sees.
func (r *container) SetSecrets(_ context.Context, secrets map[string][]byte) error {
	return writeSecretFiles(r.d.secretsDir(r.info.ID), secrets)
}

// Stop ends the container. It stays for its logs until younger ones have ended.
func (r *container) Stop(ctx context.Context, grace time.Duration) error {
	return r.d.do(ctx, func(ctx context.Context) error { return r.stop(ctx, grace) })
}

func (r *container) stop(ctx context.Context, grace time.Duration) error {
	err := r.d.o.Engine.StopContainer(ctx, r.id, grace)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	_ = os.RemoveAll(r.d.secretsDir(r.info.ID))
	return r.d.removeContainers(ctx, keptContainers, r.info.Ref)
}

// Usage asks the engine.
func (r *container) Usage(ctx context.Context) (milliCPU float64, bytes int64, err error) {
	u, err := r.d.o.Engine.Usage(ctx, r.id)
	if err != nil {
		return 0, 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if passed := now.Sub(r.sampled); passed > 0 {
		milliCPU = 1000 * float64(u.CPU-r.consumed) / float64(passed)
	}
	r.sampled, r.consumed = now, u.CPU
	return milliCPU, u.Memory, nil
}
