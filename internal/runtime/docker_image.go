package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// Pin returns the engine's ID of the image that name means now. An image that the engine lacks is pulled, with the
// account that Docker's configuration has for its registry.
func (d *DockerRuntime) Pin(ctx context.Context, image string) (string, error) {
	img, err := d.o.Engine.Image(ctx, image)
	if errors.Is(err, engine.ErrNotFound) {
		if perr := d.o.Engine.Pull(ctx, image, "", nil); perr != nil {
			if engine.IsUnavailable(perr) || ctx.Err() != nil {
				return "", perr
			}
			return "", fmt.Errorf("%w: it is not in the container engine: %w", ErrNoImage, perr)
		}
		img, err = d.o.Engine.Image(ctx, image)
	}
	return img.ID, err
}

// stored opens the image of the image store with that digest; nil: the store has none.
func (d *DockerRuntime) stored(ctx context.Context, digest string) v1.Image {
	if digest == "" || d.o.Image == nil {
		return nil
	}
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil
	}
	img, err := d.o.Image(ctx, h)
	if err != nil {
		return nil
	}
	return img
}

// image finds the spec's image in the engine. One of the image store is loaded into the engine first, unless it has
// it: an image's ID is the digest of its configuration in both.
func (d *DockerRuntime) image(ctx context.Context, s Spec) (engine.Image, error) {
	if img := d.stored(ctx, s.Digest); img != nil {
		return d.load(ctx, s, img)
	}
	ref := s.Digest
	if ref == "" {
		ref = s.Image
	}
	found, err := d.o.Engine.Image(ctx, ref)
	if errors.Is(err, engine.ErrNotFound) {
		return found, fmt.Errorf("%w: %q is not in the container engine any more", ErrNoImage, s.Image)
	}
	return found, err
}

func (d *DockerRuntime) load(ctx context.Context, s Spec, img v1.Image) (engine.Image, error) {
	id, err := img.ConfigName()
	if err != nil {
		return engine.Image{}, fmt.Errorf("read image %q: %w", s.Image, err)
	}
	found, err := d.o.Engine.Image(ctx, id.String())
	if !errors.Is(err, engine.ErrNotFound) {
		return found, err
	}
	tag, err := name.NewTag(d.loadedRepository()+":"+id.Hex[:32], name.StrictValidation)
	if err != nil {
		return engine.Image{}, err
	}
	pr, pw := io.Pipe()
	var writing sync.WaitGroup
	writing.Go(func() { _ = pw.CloseWithError(tarball.Write(tag, img, pw)) })
	err = d.o.Engine.Load(ctx, pr)
	_ = pr.CloseWithError(io.ErrClosedPipe) // ends the writing where the engine did not want it all
	writing.Wait()
	if err != nil {
		return engine.Image{}, err
	}
	return d.o.Engine.Image(ctx, id.String())
}

// loadedRepository names the images that we loaded. The host does not exist, so nobody can pull or push them.
func (d *DockerRuntime) loadedRepository() string { return "faas-cli.invalid/" + d.o.Instance }

// removeImages takes our names off the images that we loaded, and so removes them unless they have other names too.
// Images in use stay, but for a purge, which comes after the containers went.
func (d *DockerRuntime) removeImages(ctx context.Context, all bool) error {
	names, err := d.o.Engine.ImageNames(ctx, d.loadedRepository())
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		err := d.o.Engine.RemoveImage(ctx, n, false)
		if !all && errors.Is(err, engine.ErrConflict) || errors.Is(err, engine.ErrNotFound) {
			continue
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
