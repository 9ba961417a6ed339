package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/registry"
)

// DockerName is the name of the docker engine in messages and flags.
const DockerName = "docker"

// Docker builds whatever its Dockerfile says with the BuildKit of a container
// engine. The context is not sent: the engine asks for the files it lacks.
type Docker struct {
	Client *engine.Client
	// Project is the absolute path of the project's folder. Together with the
	// function it names the context, so that the engine knows what it has seen.
	Project string
	// SSHAgent is the socket of the user's SSH agent; empty: there is none.
	SSHAgent string
	// Store is the local platform's image store; nil: there is none. What the
	// engine builds stays in the engine, where the platform finds it, and the
	// store forgets an older image of the same name.
	Store *registry.Store
	// Registry is asked what it holds, and pushed to where the engine's own push
	// cannot do it: several platforms joined to an index.
	Registry Registry
}

var _ Keeper = (*Docker)(nil)

// Capabilities says what the engine's own BuildKit can do: no output but its
// image store, an archive of it and its push.
func (d *Docker) Capabilities(ctx context.Context) (Capabilities, error) {
	info, err := d.Client.Info(ctx)
	if err != nil {
		return Capabilities{}, err
	}
	return Capabilities{
		Name:          DockerName,
		Identity:      DockerName,
		Outputs:       []OutputKind{OutputEngine, OutputRegistry, OutputLocal, OutputTar},
		Platform:      Platform{OS: info.OS, Architecture: info.Arch},
		MultiPlatform: true, // for registries
		CrossPlatform: true,
		Labels:        true,
		Secrets:       true,
		SSH:           true,
		NoCache:       true,
		Pull:          true,
		Squash:        info.Squash,
		ExtraTags:     true,
		Proxies:       true,
	}, nil
}

// A BaseImageError is a build that ended because an image that its Dockerfile
// starts from is neither in the engine nor to be had from its registry.
type BaseImageError struct {
	Image  string
	Native bool // the template says how it is built without a base image
	Err    error
}

// Error names the image and what its registry said.
func (e *BaseImageError) Error() string { return fmt.Sprintf("base image %q: %v", e.Image, e.Err) }

// Unwrap returns the engine's own error.
func (e *BaseImageError) Unwrap() error { return e.Err }

// CheckRequest refuses what depends on the outputs: the engine's image store
// holds one platform under a name, while a registry takes an index.
func (d *Docker) CheckRequest(req Request) error {
	if len(req.Platforms) < 2 {
		return nil
	}
	for _, o := range req.Outputs {
		if o.Kind != OutputRegistry {
			return &UnsupportedError{Engine: DockerName, What: fmt.Sprintf("several platforms with output to %q", o.Kind)}
		}
	}
	return nil
}

// Fingerprint is that of the request: whatever else decides the result is
// behind names of base images, which --pull looks up again.
func (d *Docker) Fingerprint(ctx context.Context, req Request) (digest.Digest, error) {
	return req.Fingerprint(ctx, DockerName)
}

// Held says what an output has under the request's name.
func (d *Docker) Held(ctx context.Context, req Request, o Output) (Held, error) {
	switch o.Kind {
	case OutputRegistry:
		return d.Registry.held(ctx, req.Image)
	case OutputLocal:
		if d.Store != nil { // an image there comes before the engine's
			if _, other, err := d.Store.Resolve(req.Image); other || err != nil {
				return Held{}, err
			}
		}
	case OutputEngine:
	case OutputOCI, OutputTar:
		return Held{}, nil
	}
	img, err := d.Client.Image(ctx, req.Image)
	if errors.Is(err, engine.ErrNotFound) {
		return Held{}, nil
	}
	return Held{Digest: digest.Digest(img.ID), Fingerprint: digest.Digest(img.Labels[LabelFingerprint]), Size: img.Size}, err
}

// Build builds the image and takes it to its outputs.
func (d *Docker) Build(ctx context.Context, req Request, on func(Event)) (Result, error) {
	if err := d.CheckRequest(req); err != nil {
		return Result{}, err
	}
	if len(req.Platforms) > 1 {
		return d.buildIndex(ctx, req, on)
	}
	img, err := d.build(ctx, req, on)
	if err != nil {
		return Result{}, err
	}
	res := Result{
		Digest:    digest.Digest(img.ID),
		Platforms: []Platform{{OS: img.OS, Architecture: img.Arch}},
		Size:      img.Size,
	}
	for _, o := range req.Outputs {
		if err := d.deliver(ctx, req, o, &res, on); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

// build makes an image for the first platform of the request in the engine.
func (d *Docker) build(ctx context.Context, req Request, on func(Event)) (engine.Image, error) {
	b := engine.Build{
		Context: req.Context.FS(),
		Key:     d.contextKey(req.Context.Function),
		Tags:    []string{req.Image},
		Args:    req.Args,
		Labels:  req.Labels,
		NoCache: req.NoCache,
		Pull:    req.Pull,
		Squash:  req.Squash,
	}
	if len(req.Platforms) > 0 {
		b.Platform = req.Platforms[0].String()
	}
	for _, s := range req.Secrets {
		b.Secrets = append(b.Secrets, engine.BuildSecret{ID: s.ID, Path: s.Path})
	}
	switch {
	case req.SSH && d.SSHAgent == "":
		// Docker's own client would refuse, but a step may do without the agent.
		on(Event{Function: req.Context.Function, Kind: EventWarning, Text: "there is no SSH agent (SSH_AUTH_SOCK is not set): steps that need one will fail"})
	case req.SSH:
		b.SSH = []engine.SSHAgent{{Socket: d.SSHAgent}}
	}
	tell := engineEvents{function: req.Context.Function, on: on}
	id, err := d.Client.Build(ctx, b, tell.event)
	tell.flush()
	var failed *engine.BuildError
	if errors.As(err, &failed) && failed.BaseImage != "" {
		return engine.Image{}, &BaseImageError{Image: failed.BaseImage, Native: req.Context.Local() != nil, Err: err}
	}
	if err != nil {
		return engine.Image{}, err
	}
	return d.Client.Image(ctx, id)
}

// contextKey does not tell the engine's other users the path of the project.
func (d *Docker) contextKey(function string) string {
	sum := sha256.Sum256([]byte(d.Project + "\x00" + function))
	return "faas-cli-" + hex.EncodeToString(sum[:16])
}

// deliver takes the image, which is in the engine by now, to one output.
func (d *Docker) deliver(ctx context.Context, req Request, o Output, res *Result, on func(Event)) error {
	switch o.Kind {
	case OutputEngine:
		return nil
	case OutputLocal:
		if d.Store == nil {
			return nil
		}
		if err := d.Store.Untag(ctx, req.Image); !errors.Is(err, registry.ErrNotFound) {
			return err
		}
		return nil
	case OutputTar:
		return d.save(ctx, req.Image, o.Dest)
	case OutputRegistry:
		tell := engineEvents{function: req.Context.Function, on: on}
		pushed, err := d.Client.Push(ctx, req.Image, tell.event)
		if err != nil {
			return err
		}
		res.Digest = digest.Digest(pushed)
		for _, tag := range req.ExtraTags {
			name := repository(req.Image) + ":" + tag
			if err := d.Client.Tag(ctx, req.Image, name); err != nil {
				return err
			}
			if _, err := d.Client.Push(ctx, name, tell.event); err != nil {
				return err
			}
		}
		return nil
	}
	return &UnsupportedError{Engine: DockerName, What: fmt.Sprintf("output to %q", o.Kind)}
}

func (d *Docker) save(ctx context.Context, image, path string) error {
	tar, err := d.Client.Save(ctx, image)
	if err != nil {
		return err
	}
	defer tar.Close() //nolint:errcheck // read to the end
	return atomicfile.Update(path, 0o644, func(w io.Writer) error {
		_, err := io.Copy(w, tar)
		return err
	})
}
