package functionstore_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/schema"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	const store = `{"version":"0.2.0","functions":[{"name":"figlet","title":"Figlet","images":{"x86_64":"a/figlet:1"}}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = io.WriteString(w, store)
		case "/page":
			_, _ = io.WriteString(w, "<html>")
		case "/null":
			_, _ = io.WriteString(w, "null")
		case "/huge":
			for range 17 {
				_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
			}
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, store)
		}
	}))
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "functions.json")
	if err := os.WriteFile(file, []byte(store), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{srv.URL + "/ok", srv.URL + "/ok//", file} {
		entries, err := functionstore.Fetch(t.Context(), srv.Client(), location)
		if err != nil || len(entries) != 1 || entries[0].Name != "figlet" {
			t.Errorf("%s: %v, %v", location, entries, err)
		}
	}
	secret := strings.Replace(srv.URL, "http://", "http://u:hunter2@", 1)
	for location, want := range map[string]string{
		srv.URL + "/page": "not a function store", srv.URL + "/null": "not a function store",
		srv.URL + "/none": "404", srv.URL + "/huge": "longer than",
		"http://127.0.0.1:1/x": "127.0.0.1:1", file + "x": file + "x",
		secret + "/page": "127.0.0.1", secret + "/none": "404",
	} {
		_, err := functionstore.Fetch(t.Context(), srv.Client(), location)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v; want one with %q", location, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	entries := []schema.FunctionStoreEntry{
		{Name: "node", Title: "Info", Images: map[string]string{"x86_64": "a/node:1", "arm64": "a/node:arm"}},
		{Name: "other", Title: "node", Images: map[string]string{"x86_64": "a/other:1"}},
		{Name: "tiny", Title: "Tiny", Images: map[string]string{"arm64": "a/tiny:arm", "x86_64": ""}},
	}
	for _, tt := range []struct{ name, platform, image string }{
		{"node", "x86_64", "a/node:1"}, // the name goes before another's title
		{"info", "ARM64", "a/node:arm"},
		{"tiny", "arm64", "a/tiny:arm"},
		{"tiny", "x86_64", ""}, // an empty image is none
		{"nope", "x86_64", ""},
	} {
		e, err := functionstore.Find(entries, tt.name, tt.platform)
		if got := functionstore.Image(e, tt.platform); got != tt.image || (tt.image == "") != errors.Is(err, functionstore.ErrNotFound) {
			t.Errorf("Find(%q, %q) has image %q, error %v; want %q", tt.name, tt.platform, got, err, tt.image)
		}
	}
	if got := functionstore.Platforms(entries); !slices.Equal(got, []string{"arm64", "x86_64"}) {
		t.Errorf("platforms %q", got)
	}
}
