package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	fakeregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/faas-cli/faas-cli/internal/registry"
)

const benchLayers = 4

// benchLayer is the size of a layer, which does not compress;
// -layer-size=268435456 is what the bound is for.
var benchLayer = flag.Int64("layer-size", 16<<20, "`bytes` of each layer that BenchmarkPush* pushes")

// noise is a layer of random bytes that are made as they are read.
type noise struct {
	seed byte
	size int64
	hash v1.Hash
}

func newNoise(b *testing.B, seed byte, size int64) *noise {
	b.Helper()
	n := &noise{seed: seed, size: size}
	h := sha256.New()
	if _, err := io.Copy(h, n.content()); err != nil {
		b.Fatal(err)
	}
	n.hash = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
	return n
}

func (n *noise) content() io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{n.seed}), n.size)
}

// The methods of v1.Layer.

func (n *noise) Digest() (v1.Hash, error)             { return n.hash, nil }
func (n *noise) DiffID() (v1.Hash, error)             { return n.hash, nil }
func (n *noise) Size() (int64, error)                 { return n.size, nil }
func (n *noise) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (n *noise) Compressed() (io.ReadCloser, error)   { return io.NopCloser(n.content()), nil }
func (n *noise) Uncompressed() (io.ReadCloser, error) { return n.Compressed() }

// benchImage has benchLayers layers of -layer-size bytes, none of them in
// memory.
func benchImage(b *testing.B) v1.Image {
	b.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for i := range benchLayers {
		var err error
		if img, err = mutate.AppendLayers(img, newNoise(b, byte(i), *benchLayer)); err != nil {
			b.Fatal(err)
		}
	}
	return img
}

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
		case r.Method == http.MethodHead: // a manifest: each push is the first
			w.WriteHeader(http.StatusNotFound)
		default:
			next.ServeHTTP(w, r)
		}
	}))
	b.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://") + "/me/fn:1"
}

// measurePushes repeats push, and tells how much memory that took at most,
// the registry's included.
func measurePushes(b *testing.B, push func() error) {
	b.Helper()
	b.SetBytes(*benchLayer * benchLayers)
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // Linux: the peak begins here
	for b.Loop() {
		if err := push(); err != nil {
			b.Fatal(err)
		}
	}
	status, _ := os.ReadFile("/proc/self/status") // Linux
	if _, peak, ok := strings.Cut(string(status), "VmHWM:"); ok {
		if kB, err := strconv.ParseFloat(strings.Fields(peak)[0], 64); err == nil {
			b.ReportMetric(kB/1024, "MiB-RSS")
		}
	}
}

// BenchmarkPushStored pushes an image of the store, which is an OCI layout.
func BenchmarkPushStored(b *testing.B) {
	image := discarding(b)
	store := registry.Open(b.TempDir())
	if _, err := store.WriteImage(b.Context(), image, benchImage(b)); err != nil {
		b.Fatal(err)
	}
	measurePushes(b, func() error {
		_, err := testPusher().PushStored(b.Context(), store, image, nil, func(_, _ int64) {})
		return err
	})
}

// BenchmarkPushFloor is remote.Write of an OCI layout, with as many jobs.
func BenchmarkPushFloor(b *testing.B) {
	ref, err := name.ParseReference(discarding(b))
	if err != nil {
		b.Fatal(err)
	}
	path, err := layout.Write(filepath.Join(b.TempDir(), "layout"), empty.Index)
	if err != nil {
		b.Fatal(err)
	}
	img := benchImage(b)
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
	measurePushes(b, func() error {
		return remote.Write(ref, stored, remote.WithJobs(pushJobs), remote.WithTransport(http.DefaultTransport), remote.WithContext(b.Context()))
	})
}
