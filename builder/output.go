package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// refName is the annotation that names an image in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

// layoutFolder of the cache holds nothing but the lock of those who write OCI
// layouts: in the layout itself it would be a foreign file.
const layoutFolder = "layouts"

// writeLayout adds an image or index to the OCI layout in dir, under its name;
// an earlier one of that name is replaced, others stay. The folder is made if
// it is not there, and refused if it holds something else. Builds that write
// at the same time wait for each other: the index of a layout is one file, and
// several functions may share it.
func (n *Native) writeLayout(ctx context.Context, dir, image string, built artifact) error {
	held, err := lockDir(ctx, filepath.Join(n.Cache, layoutFolder))
	if err != nil {
		return err
	}
	defer held.Release()
	path, err := openLayout(dir)
	if err != nil {
		return fmt.Errorf("write OCI layout %q: %w", dir, err)
	}
	named := layout.WithAnnotations(map[string]string{refName: image})
	switch a := built.(type) {
	case imageArtifact:
		err = path.ReplaceImage(a.Image, match.Name(image), named)
	case indexArtifact:
		err = path.ReplaceIndex(a.ImageIndex, match.Name(image), named)
	}
	if err != nil {
		return fmt.Errorf("write OCI layout %q: %w", dir, err)
	}
	return nil
}

func openLayout(dir string) (layout.Path, error) {
	path, err := layout.FromPath(dir)
	if err == nil {
		return path, nil
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		return "", readErr
	}
	if len(entries) > 0 {
		return "", errors.New("the folder is not empty and no OCI layout")
	}
	return layout.Write(dir, empty.Index)
}

// writeArchive writes what `docker load` reads.
func writeArchive(ctx context.Context, file, image string, img v1.Image) error {
	tag, err := name.NewTag(image)
	if err != nil {
		return fmt.Errorf("write %q: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %q: %w", file, cause(err))
	}
	return atomicfile.Update(file, 0o644, func(w io.Writer) error {
		return tarball.Write(tag, img, ctxWriter{ctx, w})
	})
}

// ctxWriter ends a write when ctx does.
type ctxWriter struct {
	ctx context.Context
	w   io.Writer
}

// Write writes on, or returns the cause of the context.
func (w ctxWriter) Write(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(b)
}
