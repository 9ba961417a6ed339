package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/opencontainers/go-digest"
)

// buildIndex builds the platforms one after the other, which is all that the
// engine's BuildKit can do, and pushes them as one index. The engine keeps no
// name for them: under the function's own it would be the last one's.
func (d *Docker) buildIndex(ctx context.Context, req Request, on func(Event)) (Result, error) {
	dir, err := os.MkdirTemp("", "faas-cli-index-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	res := Result{Platforms: req.Platforms}
	images := make([]v1.Image, len(req.Platforms))
	for i, p := range req.Platforms {
		one := req
		one.Platforms = []Platform{p}
		one.Image = repository(req.Image) + ":faas-cli-" + strings.ReplaceAll(p.String(), "/", "-")
		on(Event{Function: req.Context.Function, Kind: EventStep, Text: "building for " + p.String()})
		img, err := d.build(ctx, one, on)
		if err != nil {
			return Result{}, fmt.Errorf("%s: %w", p, err)
		}
		res.Size += img.Size
		archive := filepath.Join(dir, fmt.Sprint(i))
		err = d.save(ctx, one.Image, archive)
		if rerr := d.Client.RemoveImage(ctx, one.Image, false); err == nil {
			err = rerr
		}
		if err != nil {
			return Result{}, err
		}
		if images[i], err = tarball.ImageFromPath(archive, nil); err != nil {
			return Result{}, fmt.Errorf("read the image for %s: %w", p, err)
		}
	}
	on(Event{Function: req.Context.Function, Kind: EventStep, Text: "pushing " + req.Image})
	pushed, err := d.Registry.push(ctx, indexArtifact{join(images, req.Platforms)}, req.Image, req.ExtraTags, func(done, total int64) {
		on(Event{Function: req.Context.Function, Kind: EventProgress, Done: done, Total: total})
	})
	res.Digest = digest.Digest(pushed)
	return res, err
}
