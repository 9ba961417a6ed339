package commands

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/progress"
)

// A pipeline takes every function through its stages, each function as soon as
// it is done with the one before: build, push, deploy. The commands that do
// several of these compose it of what they need.
type pipeline struct {
	env  *Env
	show *progress.Display

	build, push, deploy stage
}

// A stage does one thing with a job and says in its outcome what it did.
type stage struct {
	limit int // jobs at the same time
	run   func(ctx context.Context, j *job, on func(builder.Event), out *outcome) error
	gate  chan struct{} // one element for each job in the stage
}

// outcome is what became of a function.
type outcome struct {
	Name   string  `json:"name"`
	Image  string  `json:"image"`
	Status string  `json:"status"`           // built, unchanged, shrink-wrapped, skipped, pushed, deployed, failed, cancelled
	Folder string  `json:"folder,omitempty"` // of the build context, when only that is written
	Engine string  `json:"engine,omitempty"`
	Digest string  `json:"digest,omitempty"`
	Size   int64   `json:"size,omitempty"` // bytes
	Time   float64 `json:"seconds"`
	URL    string  `json:"url,omitempty"`

	accepted gateway.Accepted // the gateway's answer to a deployment
}

// run takes the jobs through the pipeline, begun in their order, and waits for
// all of them. One failure does not stop the others. Outcomes and errors are in
// the order of the jobs.
func (p *pipeline) run(ctx context.Context, jobs []*job) ([]outcome, error) {
	if err := refuse(jobs); err != nil {
		return nil, err
	}
	var stages []stage
	for _, s := range []stage{p.build, p.push, p.deploy} {
		if s.run != nil {
			s.gate = make(chan struct{}, max(s.limit, 1))
			stages = append(stages, s)
		}
	}
	outcomes := make([]outcome, len(jobs))
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, j := range jobs {
		outcomes[i] = outcome{Name: j.fn.Name, Image: j.image, Status: "skipped"}
		if errs[i] = j.err; errs[i] == nil {
			errs[i] = stages[0].enter(ctx) // here, so that jobs begin in order
		}
		if errs[i] != nil {
			p.failed(ctx, &outcomes[i], errs[i])
			continue
		}
		all.Go(func() { errs[i] = p.one(ctx, j, stages, &outcomes[i]) })
	}
	all.Wait()
	return outcomes, errors.Join(errs...)
}

// one takes a single job through the stages; it has entered the first.
func (p *pipeline) one(ctx context.Context, j *job, stages []stage, out *outcome) (err error) {
	start := p.env.Now()
	p.show.On(builder.Event{Function: j.fn.Name, Kind: builder.EventStart})
	defer func() {
		out.Time = p.env.Now().Sub(start).Round(time.Millisecond).Seconds()
		if err != nil {
			p.failed(ctx, out, err)
			return
		}
		p.show.On(builder.Event{Function: j.fn.Name, Kind: builder.EventDone, Text: out.Status})
	}()
	for i, s := range stages {
		if i > 0 {
			if err := s.enter(ctx); err != nil {
				return err
			}
		}
		err := s.run(ctx, j, p.show.On, out)
		<-s.gate
		if err != nil {
			return err
		}
	}
	return nil
}

// failed records and shows that a job is not done, be it that it was cancelled.
func (p *pipeline) failed(ctx context.Context, out *outcome, err error) {
	out.Status = "failed"
	if ctx.Err() != nil {
		out.Status = "cancelled"
	}
	p.show.On(builder.Event{Function: out.Name, Kind: builder.EventFailed, Text: out.Status, Err: err})
}

// enter waits for a place in the stage.
func (s stage) enter(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	select {
	case s.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// refuse is the error of jobs that ask for more than their engine can do:
// nothing is built then.
func refuse(jobs []*job) error {
	errs := make([]error, 0, len(jobs))
	for _, j := range jobs {
		if j.err == nil && j.choice.engine != nil {
			if err := j.choice.check(j.request); err != nil {
				errs = append(errs, fmt.Errorf("build %s: %w", j.fn.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// buildStage builds with the engine that was chosen for each job.
func buildStage(limit int) stage {
	return stage{limit: limit, run: func(ctx context.Context, j *job, on func(builder.Event), out *outcome) error {
		if j.skip {
			on(builder.Event{Function: j.fn.Name, Kind: builder.EventStep, Text: "skip_build: not built"})
			return nil
		}
		on(builder.Event{Function: j.fn.Name, Kind: builder.EventStep,
			Text: fmt.Sprintf("building %s with %s (%s)", j.image, j.choice.caps.Name, j.choice.why)})
		if j.choice.caps.ShrinkWrap {
			if err := j.request.Context.WriteDir(ctx, contextDir(j)); err != nil {
				return fmt.Errorf("build %s: %w", j.fn.Name, err)
			}
		}
		r, err := j.choice.engine.Build(ctx, j.request, on)
		if err != nil {
			return fmt.Errorf("build %s: %w", j.fn.Name, err)
		}
		out.Status, out.Engine, out.Digest, out.Size = "built", j.choice.caps.Name, r.Digest.String(), r.Size
		if r.Skipped {
			out.Status = "unchanged"
			on(builder.Event{Function: j.fn.Name, Kind: builder.EventStep, Text: "unchanged, not built again"})
		}
		return nil
	}}
}

// shrinkStage only writes the build context of each job.
func shrinkStage(limit int) stage {
	return stage{limit: limit, run: func(ctx context.Context, j *job, on func(builder.Event), out *outcome) error {
		if j.skip {
			return nil
		}
		if err := j.request.Context.WriteDir(ctx, contextDir(j)); err != nil {
			return fmt.Errorf("build %s: %w", j.fn.Name, err)
		}
		out.Status, out.Folder = "shrink-wrapped", contextDir(j)
		return nil
	}}
}

// contextDir is where the build context of a job is written, relative to the
// project.
func contextDir(j *job) string { return "build/" + j.fn.Name }
