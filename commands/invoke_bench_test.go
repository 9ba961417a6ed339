package commands

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/term"
)

// BenchmarkInvoke moves 100 MiB to a function and from one, as the rows
// invoke-post-100m and invoke-get-100m of the kit do.
func BenchmarkInvoke(b *testing.B) {
	const size = 100 << 20
	gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			b.Error(err)
		}
		if strings.HasPrefix(r.URL.Path, "/function/sink") {
			fmt.Fprintln(w, n)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		chunk := make([]byte, 1<<20)
		for range size / len(chunk) {
			_, _ = w.Write(chunk)
		}
	}))
	b.Cleanup(gw.Close)
	file := filepath.Join(b.TempDir(), "body")
	if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	for name, args := range map[string][]string{
		"post": {"invoke", "sink", "-d", "@" + file}, "get": {"invoke", "source", "-m", "GET", "-d", ""},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			env := &Env{
				Term: term.Test(strings.NewReader(""), io.Discard, io.Discard), Dir: b.TempDir(), Now: time.Now, Transport: &http.Transport{},
				Lookup: func(string) (string, bool) { return "", false },
			}
			for b.Loop() {
				if code := Main(b.Context(), env, append(args[:len(args):len(args)], "-g", gw.URL)); code != 0 {
					b.Fatal(code)
				}
			}
		})
	}
}
