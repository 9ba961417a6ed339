package builder

import (
	"context"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/internal/registry"
)

// Keeper is an engine that knows what was built before.
type Keeper interface {
	Engine
	// Fingerprint is what an image of req is built from, as it stands in the
	// label [LabelFingerprint].
	Fingerprint(ctx context.Context, req Request) (digest.Digest, error)
	// Held says what is at the output o under the name req.Image. Nothing there
	// is the zero value; errors are for what keeps it from being known, and lead
	// to a build.
	Held(ctx context.Context, req Request, o Output) (Held, error)
}

// Held is an image that an output has.
type Held struct {
	Digest      digest.Digest
	Fingerprint digest.Digest // of LabelFingerprint; empty: not known
	Size        int64
}

// SkipUnchanged returns an engine that builds with k only what changed: a
// build is skipped where every output already has an image of the request's
// fingerprint, unless Force, NoCache or Pull is set. Images get the label
// [LabelFingerprint]. records, which may be nil, is where builds that cannot
// be relied on are noted.
func SkipUnchanged(k Keeper, records *Records) Engine { return &skipper{k, records} }

type skipper struct {
	Keeper
	records *Records
}

// CheckRequest asks the engine.
func (s *skipper) CheckRequest(req Request) error {
	if c, ok := s.Keeper.(requestChecker); ok {
		return c.CheckRequest(req)
	}
	return nil
}

// Build builds, or skips.
func (s *skipper) Build(ctx context.Context, req Request, on func(Event)) (Result, error) {
	on(Event{Function: req.Context.Function, Kind: EventStep, Text: "looking for changes"})
	fingerprint, err := s.Fingerprint(ctx, req)
	if err != nil {
		return Result{}, err
	}
	if !req.Force && !req.NoCache && !req.Pull && len(req.ExtraTags) == 0 {
		if held, ok := s.held(ctx, req, fingerprint); ok {
			return Result{Digest: held.Digest, Size: held.Size, Platforms: req.Platforms, Skipped: true}, nil
		}
	}
	labels := map[string]string{LabelFingerprint: string(fingerprint)}
	maps.Copy(labels, req.Labels)
	labels[LabelFingerprint] = string(fingerprint)
	req.Labels = labels
	res, err := s.Keeper.Build(ctx, req, on)
	if err != nil {
		return Result{}, err
	}
	if name, changed := req.Context.Changed(); changed {
		// The image may hold the file as it was or as it is now, so its label
		// says nothing.
		on(Event{Function: req.Context.Function, Kind: EventWarning, Text: name + " changed during the build: build again"})
		return res, s.records.distrust(res.Digest)
	}
	return res, nil
}

// held says whether all outputs have the image.
func (s *skipper) held(ctx context.Context, req Request, fingerprint digest.Digest) (Held, bool) {
	var first Held
	for i, o := range req.Outputs {
		h, err := s.Held(ctx, req, o)
		if err != nil || h.Fingerprint != fingerprint || s.records.distrusts(h.Digest) {
			return Held{}, false
		}
		if i == 0 {
			first = h
		}
	}
	return first, len(req.Outputs) > 0
}

// heldIn says what the image store has under a name.
func heldIn(ctx context.Context, store *registry.Store, image string) (Held, error) {
	h, ok, err := store.Resolve(image)
	if err != nil || !ok {
		return Held{}, err
	}
	img, err := store.Image(ctx, h)
	if err != nil {
		return Held{}, err
	}
	return heldImage(h, img)
}

// heldImage reads the label of an image, which may be one of an index h.
func heldImage(h v1.Hash, img v1.Image) (Held, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return Held{}, err
	}
	m, err := img.Manifest()
	if err != nil {
		return Held{}, err
	}
	held := Held{Digest: digest.Digest(h.String()), Fingerprint: digest.Digest(file.Config.Labels[LabelFingerprint])}
	for _, l := range m.Layers {
		held.Size += l.Size
	}
	return held, nil
}
