package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/progress"
)

// runStages takes the jobs through the stages and shows it as f says. One
// failure does not stop the others. Outcomes and errors are in the order of the
// jobs.
func (e *Env) runStages(ctx context.Context, f progressFlags, jobs []*job, stages ...stage) ([]outcome, error) {
	if err := refuse(ctx, jobs); err != nil {
		return nil, err
	}
	show := progress.New(e.Term, f.effective(), e.Now)
	defer show.Close()
	p := pipeline{now: e.Now, show: show, stages: stages}
	return p.run(ctx, jobs)
}

// A pipeline takes every function through its stages, each function as soon as
// it is done with the one before: build, push, deploy. The commands that do
// several of these compose it of what they need.
type pipeline struct {
	now    func() time.Time
	show   *progress.Display
	stages []stage
}

// A stage does one thing with a job and says in its outcome what it did.
type stage struct {
	run  func(ctx context.Context, j *job, show *progress.Display, out *outcome) error
	gate chan struct{} // one element for each job in the stage
}

// newStage is a stage for at most limit jobs at the same time.
func newStage(limit int, run func(ctx context.Context, j *job, show *progress.Display, out *outcome) error) stage {
	return stage{run: run, gate: make(chan struct{}, limit)}
}

// statusUnchanged is the outcome of a build that there was no need for.
const statusUnchanged = "unchanged"

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

	shipped  bool             // the image is in a registry
	accepted gateway.Accepted // the gateway's answer to a deployment
}

// run begins the jobs in their order and waits for all of them.
func (p *pipeline) run(ctx context.Context, jobs []*job) ([]outcome, error) {
	outcomes := make([]outcome, len(jobs))
	errs := make([]error, len(jobs))
	var all sync.WaitGroup
	for i, j := range jobs {
		outcomes[i] = outcome{Name: j.fn.Name, Image: j.image, Status: "skipped"}
		if errs[i] = j.err; errs[i] == nil {
			errs[i] = p.stages[0].enter(ctx) // here, so that jobs begin in order
		}
		if errs[i] != nil {
			p.failed(ctx, &outcomes[i], errs[i])
			continue
		}
		all.Go(func() { errs[i] = p.one(ctx, j, &outcomes[i]) })
	}
	all.Wait()
	return outcomes, errors.Join(errs...)
}

// one takes a job that has entered the first stage to its end.
func (p *pipeline) one(ctx context.Context, j *job, out *outcome) error {
	start := p.now()
	p.show.On(builder.Event{Function: j.fn.Name, Kind: builder.EventStart})
	err := p.through(ctx, j, out)
	out.Time = p.now().Sub(start).Round(time.Millisecond).Seconds()
	if err != nil {
		p.failed(ctx, out, err)
		return err
	}
	p.show.On(out.event())
	return nil
}

// through takes the job from stage to stage.
func (p *pipeline) through(ctx context.Context, j *job, out *outcome) error {
	for i, s := range p.stages {
		if i > 0 {
			if err := s.enter(ctx); err != nil {
				return err
			}
		}
		err := s.run(ctx, j, p.show, out)
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

// event tells that all was done.
func (o outcome) event() builder.Event {
	return builder.Event{Function: o.Name, Kind: builder.EventDone, Text: o.Status, Result: builder.Result{
		Digest: digest.Digest(o.Digest), Size: o.Size, Skipped: o.Status == statusUnchanged,
	}}
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
func refuse(ctx context.Context, jobs []*job) error {
	var errs []error
	for _, j := range jobs {
		switch {
		case refused(j.err): // by the only engine that was asked for
			errs = append(errs, j.err)
		case j.err == nil && j.choice.engine != nil:
			if err := builder.Check(ctx, j.choice.engine, j.request); err != nil {
				errs = append(errs, fmt.Errorf("build %s: %w", j.fn.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// refused says that an engine cannot do what it was asked for.
func refused(err error) bool {
	var unsupported *builder.UnsupportedError
	var noLocal *builder.NoLocalError
	return errors.As(err, &unsupported) || errors.As(err, &noLocal)
}

// buildStage builds with the engine that was chosen for each job.
func buildStage(limit int) stage {
	return newStage(limit, func(ctx context.Context, j *job, show *progress.Display, out *outcome) error {
		if j.skip {
			show.Step(j.fn.Name, "skip_build: not built")
			return nil
		}
		show.Step(j.fn.Name, fmt.Sprintf("building %s with %s (%s)", j.image, j.choice.caps.Name, j.choice.why))
		if j.choice.caps.ShrinkWrap {
			if err := j.writeContext(ctx); err != nil {
				return err
			}
		}
		r, err := builder.Build(ctx, j.choice.engine, j.request, show.On)
		if err != nil {
			return err
		}
		out.Status, out.Engine, out.Digest, out.Size = "built", j.choice.caps.Name, r.Digest.String(), r.Size
		out.shipped = slices.ContainsFunc(j.request.Outputs, func(o builder.Output) bool { return o.Kind == builder.OutputRegistry })
		if r.Skipped {
			out.Status = statusUnchanged
			show.Step(j.fn.Name, "unchanged, not built again")
		}
		return nil
	})
}

// listStage says which files each context holds, and where they come from.
func listStage(limit int) stage {
	return newStage(limit, func(_ context.Context, j *job, show *progress.Display, _ *outcome) error {
		if j.skip {
			return nil
		}
		for name, from := range j.request.Context.Sources() {
			show.On(builder.Event{Function: j.fn.Name, Kind: builder.EventLog, Text: "copy " + from + " to " + name})
		}
		return nil
	})
}

// shrinkStage only writes the build context of each job.
func shrinkStage(limit int) stage {
	return newStage(limit, func(ctx context.Context, j *job, _ *progress.Display, out *outcome) error {
		if j.skip {
			return nil
		}
		if err := j.writeContext(ctx); err != nil {
			return err
		}
		out.Status, out.Folder = "shrink-wrapped", j.contextDir()
		return nil
	})
}

// writeContext writes the build context into the project.
func (j *job) writeContext(ctx context.Context) error {
	if err := j.request.Context.WriteDir(ctx, j.contextDir()); err != nil {
		return fmt.Errorf("build %s: %w", j.fn.Name, err)
	}
	return nil
}

// contextDir is where that is, relative to the project.
func (j *job) contextDir() string { return "build/" + j.fn.Name }
