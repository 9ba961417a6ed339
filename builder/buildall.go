package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

// BuildAll builds reqs with e, at most limit at a time (below 1: one), and
// returns a result for each in the order of reqs. One failure does not stop
// the others; the errors, each naming its function, are joined in the order of
// reqs. Requests beyond the engine's capabilities are refused before anything
// is built.
func BuildAll(ctx context.Context, e Engine, reqs []Request, limit int, on func(Event)) ([]Result, error) {
	if on == nil {
		on = func(Event) {}
	}
	caps, err := e.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	var refused []error
	for _, req := range reqs {
		err := caps.Check(req)
		if c, ok := e.(requestChecker); ok && err == nil {
			err = c.CheckRequest(req)
		}
		if err != nil {
			refused = append(refused, fmt.Errorf("build %s: %w", req.Context.Function, err))
		}
	}
	if len(refused) > 0 {
		return nil, errors.Join(refused...)
	}
	results, errs := make([]Result, len(reqs)), make([]error, len(reqs)) // a slot per job: no lock, stack-file order
	var g errgroup.Group
	g.SetLimit(max(limit, 1))
	for i, req := range reqs {
		g.Go(func() error {
			name := req.Context.Function
			if err := context.Cause(ctx); err != nil {
				errs[i] = fmt.Errorf("build %s: %w", name, err)
				return nil
			}
			on(Event{Function: name, Kind: EventStart})
			var err error
			if results[i], err = e.Build(ctx, req, on); err != nil {
				errs[i] = fmt.Errorf("build %s: %w", name, err)
				on(Event{Function: name, Kind: EventFailed, Err: err})
				return nil // keep the others going
			}
			on(Event{Function: name, Kind: EventDone, Result: results[i]})
			return nil
		})
	}
	_ = g.Wait()
	return results, errors.Join(errs...)
}

// requestChecker is an engine that refuses more than its capabilities say.
type requestChecker interface{ CheckRequest(req Request) error }

// UnsupportedError is what an engine was asked for and cannot do.
type UnsupportedError struct {
	Engine string
	What   string // "--squash", "platform linux/arm64", …
}

// Error names the engine and what it lacks.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("the %s engine does not support %s", e.Engine, e.What)
}

// Check says what of req the engine does not honour, as an
// [UnsupportedError].
func (c Capabilities) Check(req Request) error {
	no := func(what string) error { return &UnsupportedError{Engine: c.Name, What: what} }
	for _, o := range req.Outputs {
		if !slices.Contains(c.Outputs, o.Kind) {
			return no(fmt.Sprintf("output to %q", o.Kind))
		}
	}
	if len(req.Platforms) > 1 && !c.MultiPlatform {
		return no("several platforms at once")
	}
	for _, p := range req.Platforms {
		if p != c.Platform && !c.CrossPlatform {
			return no("platform " + p.String())
		}
	}
	switch {
	case len(req.Labels) > 0 && !c.Labels:
		return no("--build-label")
	case len(req.Secrets) > 0 && !c.Secrets:
		return no("build_secrets")
	case req.SSH && !c.SSH:
		return no("mount_ssh")
	case req.NoCache && !c.NoCache:
		return no("--no-cache")
	case req.Pull && !c.Pull:
		return no("--pull")
	case req.Squash && !c.Squash:
		return no("--squash")
	case req.Debug && !c.Debug:
		return no("--debug-port")
	case len(req.ExtraTags) > 0 && !c.ExtraTags:
		return no("--extra-tag")
	case c.NeedsLocalSpec && req.Context.Local() == nil:
		return &NoLocalError{Language: req.Context.Language}
	}
	return nil
}

// NoLocalError says that a template cannot be built without a container
// engine: it has no local block that the user trusts.
type NoLocalError struct{ Language string }

// Error names the template.
func (e *NoLocalError) Error() string {
	return fmt.Sprintf("template %q cannot be built without a container engine", e.Language)
}
