package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/opencontainers/go-digest"
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
}

var _ Engine = (*Docker)(nil)

// Capabilities says what the engine's own BuildKit can do: one platform a
// build, and no output but its image store, an archive of it and its push.
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
		CrossPlatform: true,
		Labels:        true,
		Secrets:       true,
		SSH:           d.SSHAgent != "",
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

// Build implements [Engine]. An image of the same name and fingerprint is not
// built again.
func (d *Docker) Build(ctx context.Context, req Request, on func(Event)) (Result, error) {
	fingerprint, err := req.Fingerprint(ctx, DockerName)
	if err != nil {
		return Result{}, err
	}
	img, skipped, err := d.unchanged(ctx, req, fingerprint)
	if err != nil {
		return Result{}, err
	}
	if !skipped {
		if img, err = d.build(ctx, req, fingerprint, on); err != nil {
			return Result{}, err
		}
	}
	res := Result{
		Digest:    digest.Digest(img.ID),
		Platforms: []Platform{{OS: img.OS, Architecture: img.Arch}},
		Size:      img.Size,
		Skipped:   skipped,
	}
	for _, o := range req.Outputs {
		if err := d.deliver(ctx, req, o, &res, on); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

// unchanged looks for an image that the same request made before.
func (d *Docker) unchanged(ctx context.Context, req Request, fingerprint digest.Digest) (engine.Image, bool, error) {
	if req.Force || req.NoCache || req.Pull {
		return engine.Image{}, false, nil
	}
	img, err := d.Client.Image(ctx, req.Image)
	if errors.Is(err, engine.ErrNotFound) {
		return engine.Image{}, false, nil
	}
	return img, err == nil && img.Labels[LabelFingerprint] == fingerprint.String(), err
}

func (d *Docker) build(ctx context.Context, req Request, fingerprint digest.Digest, on func(Event)) (engine.Image, error) {
	labels := maps.Clone(req.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelFingerprint] = fingerprint.String()
	b := engine.Build{
		Context: req.Context.FS(),
		Key:     d.contextKey(req.Context.Function),
		Tags:    []string{req.Image},
		Args:    req.Args,
		Labels:  labels,
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
	if req.SSH {
		b.SSH = []engine.SSHAgent{{Paths: []string{d.SSHAgent}}}
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
		return d.Store.Untag(ctx, req.Image)
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
			name := withTag(req.Image, tag)
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

func withTag(image, tag string) string {
	repo := image
	if slash, colon := strings.LastIndex(image, "/"), strings.LastIndex(image, ":"); colon > slash {
		repo = image[:colon]
	}
	return repo + ":" + tag
}

func (d *Docker) save(ctx context.Context, image, path string) error {
	tar, err := d.Client.Save(ctx, image)
	if err != nil {
		return err
	}
	defer tar.Close() //nolint:errcheck // read to the end
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := io.Copy(w, tar)
		return err
	})
}

// engineEvents turns the engine's events into ours: raw output into lines.
type engineEvents struct {
	function string
	on       func(Event)

	mu   sync.Mutex
	open map[string][]byte // output of a step that does not end a line yet
}

func (t *engineEvents) event(e engine.Event) {
	switch e.State {
	case engine.StepStarted:
		t.tell(EventStep, stepName(e.Name))
	case engine.StepCached:
		t.tell(EventStep, stepName(e.Name)+" (cached)")
	case engine.StepWarning:
		t.tell(EventWarning, e.Text)
	case engine.StepProgress:
		t.on(Event{Function: t.function, Kind: EventProgress, Done: e.Current, Total: e.Total})
	case engine.StepLog:
		t.log(e.Step, e.Text)
	case engine.StepDone, engine.StepFailed:
		t.end(e.Step)
	}
}

func (t *engineEvents) tell(kind EventKind, text string) {
	t.on(Event{Function: t.function, Kind: kind, Text: text})
}

// stepName drops the mark of steps that no line of the Dockerfile asked for.
func stepName(name string) string { return strings.TrimPrefix(name, "[internal] ") }

func (t *engineEvents) log(step, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[string][]byte{}
	}
	buf := append(t.open[step], text...)
	for {
		line, rest, found := bytes.Cut(buf, []byte("\n"))
		if !found {
			break
		}
		t.tell(EventLog, strings.TrimSuffix(string(line), "\r"))
		buf = rest
	}
	t.open[step] = buf
}

func (t *engineEvents) end(step string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if rest := t.open[step]; len(rest) > 0 {
		t.tell(EventLog, string(rest))
	}
	delete(t.open, step)
}

func (t *engineEvents) flush() {
	t.mu.Lock()
	steps := make([]string, 0, len(t.open))
	for step := range t.open {
		steps = append(steps, step)
	}
	t.mu.Unlock()
	for _, step := range steps {
		t.end(step)
	}
}
