package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// blobSize is that of the blob in BenchmarkServer; -blob-size=1073741824 is what the bound is for.
var blobSize = flag.Int64("blob-size", 64<<20, "`bytes` of the blob that BenchmarkServer moves")

// noise yields bytes that do not repeat where a copy could notice it, and costs nothing to make.
type noise struct {
	block []byte
	at    int
}

func newNoise(seed byte) *noise {
	block := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{seed}).Read(block) //nolint:errcheck // it cannot fail
	return &noise{block: block}
}

func (n *noise) Read(p []byte) (int, error) {
	c := copy(p, n.block[n.at:])
	n.at = (n.at + c) % len(n.block)
	return c, nil
}

// BenchmarkServer pushes and pulls a blob, next to copying it to disk: as it is, and with the digest that a push has to
// verify. The standard library's file server sends it beside the registry.
func BenchmarkServer(b *testing.B) {
	size := *blobSize
	content := func() io.Reader { return io.LimitReader(newNoise(1), size) }
	sum := sha256.New()
	if _, err := io.Copy(sum, content()); err != nil {
		b.Fatal(err)
	}
	h := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	toDisk := func(b *testing.B, path string, from io.Reader) {
		b.Helper()
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		// Without their methods, and with a buffer of a size that costs the reader little.
		n, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{from}, make([]byte, 256<<10))
		if err != nil || n != size {
			b.Fatal(n, err)
		}
		if err := errors.Join(f.Sync(), f.Close(), os.Remove(path)); err != nil {
			b.Fatal(err)
		}
	}
	do := func(b *testing.B, srv *httptest.Server, method, path string, body io.Reader, status int) *http.Response {
		b.Helper()
		req, err := http.NewRequestWithContext(b.Context(), method, srv.URL+path, body)
		if err != nil {
			b.Fatal(err)
		}
		if body != nil {
			req.ContentLength = size
		}
		req.SetBasicAuth(testUser, testPassword)
		res, err := srv.Client().Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if res.StatusCode != status {
			b.Fatal(res.Status)
		}
		return res
	}
	push := func(b *testing.B, srv *httptest.Server) {
		b.Helper()
		res := do(b, srv, http.MethodPost, "/v2/me/fn/blobs/uploads/?digest="+h.String(), content(), http.StatusCreated)
		if err := res.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(size)
		path := filepath.Join(b.TempDir(), "copy")
		for b.Loop() {
			toDisk(b, path, content())
		}
	})
	b.Run("copy-and-digest", func(b *testing.B) {
		b.SetBytes(size)
		path := filepath.Join(b.TempDir(), "copy")
		for b.Loop() {
			sum := sha256.New()
			toDisk(b, path, io.TeeReader(content(), sum))
			if hex.EncodeToString(sum.Sum(nil)) != h.Hex {
				b.Fatal("another digest")
			}
		}
	})
	b.Run("push", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		dir := b.TempDir()
		srv := httptest.NewServer(forgetful(dir))
		defer srv.Close()
		for b.Loop() {
			push(b, srv)
			if err := os.Remove(Open(dir).blobPath(h)); err != nil {
				b.Fatal(err)
			}
		}
	})
	pull := func(b *testing.B, srv *httptest.Server, url string) {
		b.Helper()
		b.SetBytes(size)
		b.ReportAllocs()
		path := filepath.Join(b.TempDir(), "pulled")
		for b.Loop() {
			res := do(b, srv, http.MethodGet, url, nil, http.StatusOK)
			toDisk(b, path, res.Body)
			if err := res.Body.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("pull", func(b *testing.B) {
		srv := httptest.NewServer(forgetful(b.TempDir()))
		defer srv.Close()
		push(b, srv)
		pull(b, srv, "/v2/me/fn/blobs/"+h.String())
	})
	b.Run("pull-from-file-server", func(b *testing.B) { // what receiving it costs, whoever sends
		dir := b.TempDir()
		srv := httptest.NewServer(http.FileServerFS(os.DirFS(dir)))
		defer srv.Close()
		f, err := os.Create(filepath.Join(dir, "blob"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(f, content()); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		pull(b, srv, "/blob")
	})
}
