//go:build unix

package local

import (
	"io"
	"net/http"
	"runtime"
	"testing"
)

// The answer and the request pass through, however long they are. The test does not run beside others: it counts what the
// process allocates.
func TestStreamsTakeConstantMemory(t *testing.T) {
	const size = 128 << 20
	p := startPlatform(t, t.TempDir())
	p.deploy("hello")
	for name, c := range map[string]struct {
		path string
		body io.Reader
	}{
		"answer":                       {"/function/hello/big?mib=128", nil},
		"request of a known length":    {"/function/hello/count", io.LimitReader(zeros{}, size)},
		"request of unknown length":    {"/function/hello/count", struct{ io.Reader }{io.LimitReader(zeros{}, size)}},
		"answer to a streamed request": {"/function/hello/big?mib=128", struct{ io.Reader }{io.LimitReader(zeros{}, 1<<20)}},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.in.URL()+c.path, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if name == "request of a known length" {
			req.ContentLength = size
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		runtime.ReadMemStats(&after)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v after %d bytes", name, res.Status, err, n)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
