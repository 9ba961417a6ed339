package registry

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestServerKeepsNothingHalfOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	srv := httptest.NewServer(forgetful(dir))
	defer srv.Close()
	large := strings.Repeat("x", 4<<20)
	digest := func(content string) string {
		h, _, err := v1.SHA256(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		return h.String()
	}
	nothingHalf := func(what string) {
		t.Helper()
		for _, folder := range []string{"uploads", filepath.Join("blobs", "sha256")} {
			if left, _ := os.ReadDir(filepath.Join(dir, folder)); len(left) > 0 {
				t.Errorf("%s: %s holds %v", what, folder, left)
			}
		}
	}
	location := beginUpload(t, srv)
	res := request(t, srv, http.MethodPatch, location, large, nil)
	if res.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("a chunk: %s", res.Status)
	}
	nothingHalf("a chunk")
	if res := request(t, srv, http.MethodPatch, location, "more", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("a chunk after that: %s", res.Status)
	}
	res = request(t, srv, http.MethodPost, "/v2/me/fn/blobs/uploads/?digest="+digest(large), large, nil)
	if res.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("a whole blob: %s", res.Status)
	}
	nothingHalf("a whole blob")
	const small = "it fits again"
	res = request(t, srv, http.MethodPost, "/v2/me/fn/blobs/uploads/?digest="+digest(small), small, nil)
	if res.StatusCode != http.StatusCreated {
		t.Errorf("a small blob after that: %s", res.Status)
	}
}

func TestUploadOnAFullDiskIsDropped(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	if err := os.MkdirAll(s.path("uploads"), 0o700); err != nil {
		t.Fatal(err)
	}
	name := s.path("uploads", "full")
	if err := os.Symlink("/dev/full", name); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	u := &upload{s: s, id: "full", f: f, sum: sha256.New()}
	if _, err := io.Copy(u, bytes.NewReader(make([]byte, 3*chunk))); !isFull(err) {
		t.Errorf("copy: %v", err)
	}
	if err := u.suspend(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(s.path("uploads")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
