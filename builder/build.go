package builder

import (
	"context"
	"fmt"
	"slices"
)

// Build builds req with e, which is asked first whether it can: see [Check].
// The error names the function. on may be nil.
func Build(ctx context.Context, e Engine, req Request, on func(Event)) (Result, error) {
	if on == nil {
		on = func(Event) {}
	}
	defer req.Context.hold()()
	err := context.Cause(ctx)
	if err == nil {
		err = Check(ctx, e, req)
	}
	var res Result
	if err == nil {
		res, err = e.Build(ctx, req, on)
	}
	if err != nil {
		return Result{}, fmt.Errorf("build %s: %w", req.Context.Function, err)
	}
	return res, nil
}

// Check says what of req the engine does not honour: an [UnsupportedError]
// for what is beyond its capabilities, or what it refuses beside that.
func Check(ctx context.Context, e Engine, req Request) error {
	caps, err := e.Capabilities(ctx)
	if err != nil {
		return err
	}
	if err := caps.Check(req); err != nil {
		return err
	}
	if c, ok := e.(requestChecker); ok {
		defer req.Context.hold()()
		return c.CheckRequest(req)
	}
	return nil
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
