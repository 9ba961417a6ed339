package builder

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"golang.org/x/sync/errgroup"
)

// Functions that are built at the same time may be written to one layout; none
// of them may be lost.
func TestLayoutOfSeveralImages(t *testing.T) {
	t.Parallel()
	const images = 24
	n := &Native{Cache: t.TempDir()}
	dir := filepath.Join(t.TempDir(), "layout")
	var g errgroup.Group
	for i := range images {
		g.Go(func() error {
			img, err := random.Image(64, 1)
			if err != nil {
				return err
			}
			return n.writeLayout(t.Context(), dir, fmt.Sprintf("me/fn-%d:1", i), imageArtifact{img})
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != images {
		t.Errorf("the layout holds %d images; want %d", len(m.Manifests), images)
	}
}
