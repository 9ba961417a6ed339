package runtime

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// Logs reads what the engine keeps of the function's containers. Lines of several replicas are merged by time.
func (d *DockerRuntime) Logs(ctx context.Context, f Ref, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var follow *follower
		if q.Follow {
			follow = d.newFollower(ctx, f, q) // before the past is read, so that no start falls in between
			defer follow.close(cancel)
		}
		list, err := d.ours(ctx, f)
		if err != nil {
			yield(LogLine{}, err)
			return
		}
		if follow != nil {
			list = slices.DeleteFunc(list, func(c engine.Container) bool { return follow.knows(c.ID) }) // started since
		}
		last, err := d.past(ctx, list, q, yield)
		if errors.Is(err, errStopped) {
			return
		}
		if err != nil {
			yield(LogLine{}, err)
			return
		}
		if follow == nil {
			return
		}
		for _, c := range list {
			if c.Running() {
				follow.add(ctx, c.ID, c.Labels[labelReplica], last[c.ID])
			}
		}
		for {
			select {
			case m := <-follow.lines:
				if !yield(m.line, m.err) || m.err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// errStopped ends a loop whose reader has had enough.
var errStopped = errors.New("the reader stopped")

// past yields what was written until now, and returns where each container's log goes on.
func (d *DockerRuntime) past(ctx context.Context, list []engine.Container, q LogQuery, yield func(LogLine, error) bool) (map[string]time.Time, error) {
	next := map[string]time.Time{}
	now := time.Now()
	var sources []*source
	for _, c := range list {
		next[c.ID] = now
		replica := c.Labels[labelReplica]
		if q.Tail == 0 || c.State == "created" || q.Instance != "" && q.Instance != replica {
			continue
		}
		seq := d.o.Engine.Logs(ctx, c.ID, engine.LogQuery{Since: q.Since, Tail: q.Tail})
		pull, stop := iter.Pull2(seq)
		defer stop()
		next[c.ID] = q.Since
		sources = append(sources, &source{id: c.ID, replica: replica, pull: pull})
	}
	merged := merge(sources, next)
	if q.Tail > 0 {
		merged = lastLines(merged, q.Tail)
	}
	for line, err := range merged {
		if err != nil {
			return nil, err
		}
		if !yield(line, nil) {
			return nil, errStopped
		}
	}
	return next, nil
}

// source is the log of one container, one line ahead.
type source struct {
	id, replica string
	pull        func() (engine.LogLine, error, bool)
	head        engine.LogLine
	full        bool
}

// merge yields the lines of all sources by time, and notes just after which time each has been read.
func merge(sources []*source, next map[string]time.Time) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		for {
			var first *source
			for _, s := range sources {
				if !s.full {
					line, err, ok := s.pull()
					if ok && err != nil && !errors.Is(err, engine.ErrNotFound) { // one that was removed meanwhile has nothing to say
						yield(LogLine{}, err)
						return
					}
					if !ok || err != nil {
						continue
					}
					s.head, s.full = line, true
				}
				if first == nil || s.head.Time.Before(first.head.Time) {
					first = s
				}
			}
			if first == nil {
				return
			}
			first.full = false
			next[first.id] = first.head.Time.Add(1)
			if !yield(LogLine{Time: first.head.Time, Instance: first.replica, Text: first.head.Text}, nil) {
				return
			}
		}
	}
}

// lastLines yields the last n lines of a sequence.
func lastLines(seq iter.Seq2[LogLine, error], n int) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		var kept []LogLine
		for line, err := range seq {
			if err != nil {
				yield(LogLine{}, err)
				return
			}
			if kept = append(kept, line); len(kept) >= 2*n {
				kept = append(kept[:0], kept[len(kept)-n:]...)
			}
		}
		for _, line := range kept[max(0, len(kept)-n):] {
			if !yield(line, nil) {
				return
			}
		}
	}
}

// follower reads the logs of running containers, and of those that start.
type follower struct {
	d     *DockerRuntime
	q     LogQuery
	lines chan followed
	g     sync.WaitGroup

	mu    sync.Mutex
	known map[string]bool // containers that are read
}

type followed struct {
	line LogLine
	err  error
}

// newFollower returns once it is sure to hear of every container that starts.
func (d *DockerRuntime) newFollower(ctx context.Context, f Ref, q LogQuery) *follower {
	fo := &follower{d: d, q: q, lines: make(chan followed), known: map[string]bool{}}
	ready := make(chan struct{})
	fo.g.Go(func() {
		listening := sync.OnceFunc(func() { close(ready) })
		started := func(e engine.ContainerEvent) {
			if e.Action == "start" {
				fo.add(ctx, e.ID, e.Labels[labelReplica], time.Time{})
			}
		}
		err := d.o.Engine.WatchContainers(ctx, listening, started,
			labelInstance+"="+d.o.Instance, labelFunction+"="+f.Name, labelNamespace+"="+f.Namespace)
		listening()
		if err != nil {
			fo.send(ctx, followed{err: err})
		}
	})
	<-ready
	return fo
}

func (fo *follower) add(ctx context.Context, id, replica string, since time.Time) {
	if fo.q.Instance != "" && fo.q.Instance != replica {
		return
	}
	fo.mu.Lock()
	defer fo.mu.Unlock()
	if fo.known[id] {
		return
	}
	fo.known[id] = true
	fo.g.Go(func() {
		for line, err := range fo.d.o.Engine.Logs(ctx, id, engine.LogQuery{Since: since, Follow: true}) {
			if errors.Is(err, engine.ErrNotFound) {
				return
			}
			if err != nil {
				fo.send(ctx, followed{err: err})
				return
			}
			if !fo.send(ctx, followed{line: LogLine{Time: line.Time, Instance: replica, Text: line.Text}}) {
				return
			}
		}
	})
}

// knows reports whether the container is read already, from its start.
func (fo *follower) knows(id string) bool {
	fo.mu.Lock()
	defer fo.mu.Unlock()
	return fo.known[id]
}

func (fo *follower) send(ctx context.Context, f followed) bool {
	select {
	case fo.lines <- f:
		return true
	case <-ctx.Done():
		return false
	}
}

// close ends all reading.
func (fo *follower) close(cancel context.CancelFunc) {
	cancel()
	fo.g.Wait()
}
