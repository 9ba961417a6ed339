package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/progress"
	"github.com/faas-cli/faas-cli/stack"
)

// fakeEngine can do what caps say, and builds by calling build.
type fakeEngine struct {
	caps  builder.Capabilities
	build func(ctx context.Context, function string) (builder.Result, error)
}

func (e fakeEngine) Capabilities(context.Context) (builder.Capabilities, error) { return e.caps, nil }

func (e fakeEngine) Build(ctx context.Context, r builder.Request, _ func(builder.Event)) (builder.Result, error) {
	return e.build(ctx, r.Context.Function)
}

func choiceOf(e fakeEngine) engineChoice { return engineChoice{engine: e, caps: e.caps} }

// fakeJobs are jobs of the functions fn-00, fn-01, … that e builds.
func fakeJobs(n int, e fakeEngine) []*job {
	jobs := make([]*job, n)
	for i := range jobs {
		name := fmt.Sprintf("fn-%02d", i)
		jobs[i] = &job{fn: stack.Function{Name: name}, image: "me/" + name, choice: choiceOf(e),
			request: builder.Request{Context: &builder.Context{Function: name}}}
	}
	return jobs
}

func TestPipelineKeepsOrderAndReportsEveryFailure(t *testing.T) {
	t.Parallel()
	env, _, _ := faultEnv(t, "")
	e := fakeEngine{build: func(context.Context, string) (builder.Result, error) { return builder.Result{}, errors.New("no") }}
	outcomes, err := env.runStages(t.Context(), progressFlags{}, fakeJobs(32, e), buildStage(8))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 32 || lines[0] != "build fn-00: no" || lines[31] != "build fn-31: no" {
		t.Errorf("errors:\n%v", err)
	}
	if len(outcomes) != 32 || outcomes[31].Name != "fn-31" || outcomes[31].Status != "failed" {
		t.Errorf("outcomes: %+v", outcomes)
	}
}

// What an engine cannot do for one function keeps it from building any.
func TestPipelineRefusesBeforeAnythingIsBuilt(t *testing.T) {
	t.Parallel()
	env, _, _ := faultEnv(t, "")
	var built atomic.Int32
	e := fakeEngine{build: func(context.Context, string) (builder.Result, error) {
		built.Add(1)
		return builder.Result{}, nil
	}}
	jobs := fakeJobs(3, e)
	jobs[2].request.Squash = true
	_, err := env.runStages(t.Context(), progressFlags{}, jobs, buildStage(1))
	var refused *builder.UnsupportedError
	if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "build fn-02: ") || built.Load() != 0 {
		t.Errorf("built %d, error %v", built.Load(), err)
	}
}

// A function is pushed while another is still being built, and one that was not
// built is not pushed.
func TestPipelineStagesOverlap(t *testing.T) {
	t.Parallel()
	env, _, _ := faultEnv(t, "")
	pushed := make(chan struct{})
	e := fakeEngine{build: func(ctx context.Context, function string) (builder.Result, error) {
		switch function {
		case "fn-00": // until fn-01 is pushed
			select {
			case <-pushed:
			case <-ctx.Done():
			}
		case "fn-02":
			return builder.Result{}, errors.New("no")
		}
		return builder.Result{Size: 5}, nil
	}}
	push := newStage(1, func(_ context.Context, j *job, _ *progress.Display, out *outcome) error {
		out.Status = "pushed"
		if j.fn.Name == "fn-01" {
			close(pushed)
		}
		return nil
	})
	outcomes, err := env.runStages(t.Context(), progressFlags{}, fakeJobs(3, e), buildStage(3), push)
	if err == nil || err.Error() != "build fn-02: no" {
		t.Errorf("error = %v", err)
	}
	if outcomes[0].Status != "pushed" || outcomes[1].Status != "pushed" || outcomes[2].Status != "failed" {
		t.Errorf("outcomes: %+v", outcomes)
	}
}

// Ctrl-C ends what runs, and what waits does not begin.
func TestPipelineCancelled(t *testing.T) {
	t.Parallel()
	env, _, _ := faultEnv(t, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	var begun atomic.Int32
	e := fakeEngine{build: func(ctx context.Context, _ string) (builder.Result, error) {
		begun.Add(1)
		cancel(errNewerChange)
		<-ctx.Done()
		return builder.Result{}, context.Cause(ctx)
	}}
	outcomes, err := env.runStages(ctx, progressFlags{}, fakeJobs(3, e), buildStage(1))
	if !errors.Is(err, errNewerChange) || begun.Load() != 1 {
		t.Errorf("%d began, error %v", begun.Load(), err)
	}
	for _, out := range outcomes {
		if out.Status != "cancelled" {
			t.Errorf("outcome: %+v", out)
		}
	}
}
