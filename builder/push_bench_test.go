package builder

import (
	"crypto/sha256"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	fakeregistry "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/faas-cli/faas-cli/internal/registry"
)

const (
	benchLayers = 4
	benchLayer  = 16 << 20 // bytes, incompressible
)

// discarding is a registry that computes digests, as all must, but keeps no
// blobs.
func discarding(b *testing.B) string {
	b.Helper()
	next := fakeregistry.New(fakeregistry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPatch:
			_, _ = io.Copy(sha256.New(), r.Body)
			w.Header().Set("Location", r.URL.Path)
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/uploads/"):
			w.WriteHeader(http.StatusCreated)
		case strings.Contains(r.URL.Path, "/blobs/sha256:"):
			w.WriteHeader(http.StatusNotFound)
		default:
			next.ServeHTTP(w, r)
		}
	}))
	b.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://") + "/me/fn:1"
}

// BenchmarkPushStored pushes an image of the store, which is an OCI layout.
func BenchmarkPushStored(b *testing.B) {
	image := discarding(b)
	store := registry.Open(b.TempDir())
	img, err := random.Image(benchLayer, benchLayers)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := store.WriteImage(b.Context(), image, img); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchLayer * benchLayers)
	for b.Loop() {
		if _, err := testPusher().PushStored(b.Context(), store, image, nil, func(_, _ int64) {}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPushFloor is remote.Write of an OCI layout, with as many jobs.
func BenchmarkPushFloor(b *testing.B) {
	ref, err := name.ParseReference(discarding(b))
	if err != nil {
		b.Fatal(err)
	}
	img, err := random.Image(benchLayer, benchLayers)
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "layout")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		b.Fatal(err)
	}
	if err := path.AppendImage(img); err != nil {
		b.Fatal(err)
	}
	h, err := img.Digest()
	if err != nil {
		b.Fatal(err)
	}
	stored, err := path.Image(h)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchLayer * benchLayers)
	for b.Loop() {
		if err := remote.Write(ref, stored, remote.WithJobs(pushJobs), remote.WithTransport(http.DefaultTransport)); err != nil {
			b.Fatal(err)
		}
	}
}
