package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/faas-cli/faas-cli/internal/loopback"
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

// BenchmarkServer pushes and pulls a blob as the command and a good client do, next to copying it to disk: as it is, and
// with the digest that a push has to verify. A connection without HTTP sends it beside the registry. They take turns, so
// that a disk or a machine whose pace changes does not favour one; the least and the middle of the times are reported.
func BenchmarkServer(b *testing.B) {
	size, dir := *blobSize, b.TempDir()
	source, h := writeNoise(b, filepath.Join(dir, "source"), size)
	store := Open(filepath.Join(dir, "store"))
	srv := &httptest.Server{
		Listener: listenLoopback(b),
		Config:   &http.Server{Handler: forgetful(store.dir), ReadHeaderTimeout: time.Minute},
	}
	srv.Start()
	defer srv.Close()
	dialer := net.Dialer{Control: loopback.Control}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	defer client.CloseIdleConnections()
	bare := listenLoopback(b)
	defer bare.Close()
	go sendTo(bare, source)

	do := func(method, path string, body io.Reader, status int) *http.Response {
		req, err := http.NewRequestWithContext(b.Context(), method, srv.URL+path, body)
		if err != nil {
			b.Fatal(err)
		}
		if body != nil {
			req.ContentLength = size
		}
		req.SetBasicAuth(testUser, testPassword)
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if res.StatusCode != status {
			b.Fatal(res.Status)
		}
		return res
	}
	push := func() {
		f, err := os.Open(source)
		if err != nil {
			b.Fatal(err)
		}
		res := do(http.MethodPost, "/v2/me/fn/blobs/uploads/?digest="+h.String(), f, http.StatusCreated)
		if err := res.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
	content := func() io.Reader { return io.LimitReader(newNoise(1), size) }
	out := filepath.Join(dir, "out")
	ways := []struct {
		name string
		move func()
	}{
		{"copy", func() { toDisk(b, out, content(), size) }},
		{"digest", func() {
			sum := sha256.New()
			toDisk(b, out, io.TeeReader(content(), sum), size)
			if hex.EncodeToString(sum.Sum(nil)) != h.Hex {
				b.Fatal("another digest")
			}
		}},
		{"bare", func() {
			c, err := dialer.DialContext(b.Context(), "tcp", bare.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			toDisk(b, out, c, size)
		}},
		{"push", func() {
			if err := os.Remove(store.blobPath(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				b.Fatal(err)
			}
			push()
		}},
		{"pull", func() {
			res := do(http.MethodGet, "/v2/me/fn/blobs/"+h.String(), nil, http.StatusOK)
			defer res.Body.Close()
			toDisk(b, out, res.Body, size)
		}},
	}
	took := make([][]time.Duration, len(ways))
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // Linux: the peak begins here
	for b.Loop() {
		for i, w := range ways {
			start := time.Now()
			w.move()
			took[i] = append(took[i], time.Since(start))
		}
	}
	for i, w := range ways {
		slices.Sort(took[i])
		b.ReportMetric(took[i][0].Seconds(), w.name+"-min-s")
		b.ReportMetric(took[i][len(took[i])/2].Seconds(), w.name+"-mid-s")
	}
	status, _ := os.ReadFile("/proc/self/status") // Linux
	if _, peak, ok := strings.Cut(string(status), "VmHWM:"); ok {
		if kB, err := strconv.ParseFloat(strings.Fields(peak)[0], 64); err == nil {
			b.ReportMetric(kB/1024, "MiB-RSS")
		}
	}
}

// writeNoise makes a file for others to read, and tells its digest.
func writeNoise(b *testing.B, path string, size int64) (string, v1.Hash) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(newNoise(1), size))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return path, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// toDisk is what a copy and a client that pulls have in common.
func toDisk(b *testing.B, path string, from io.Reader, size int64) {
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

// listenLoopback listens as the local platform does.
func listenLoopback(b *testing.B) net.Listener {
	b.Helper()
	lc := net.ListenConfig{Control: loopback.Control}
	l, err := lc.Listen(b.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// sendTo sends the file to whoever connects, until l is closed.
func sendTo(l net.Listener, path string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if f, err := os.Open(path); err == nil {
			_, _ = io.Copy(c, f) // the receiver counts
			f.Close()
		}
		c.Close()
	}
}
