//go:build linux

package local

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPlatformSurvivesAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	p := startPlatform(t, dir)
	p.deploy("hello", "version=one")
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 8<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for _, request := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/system/functions", deployment("other")},
		{"PUT", "/system/functions", deployment("hello", "version=two")},
		{"POST", "/system/secrets", map[string]string{"name": "s1", "value": strings.Repeat("x", 8192)}},
	} {
		if res, text := p.do(request.method, request.path, request.body); res.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "no space left on device") {
			t.Errorf("%s %s: %s: %s", request.method, request.path, res.Status, text)
		}
	}
	p.want(http.StatusOK, "POST", "/function/hello/log?text=x&n=10000", "") // a log that cannot be written holds nobody up
	if e := p.call("/function/hello", ""); e.Version != "one" {
		t.Errorf("version %q answers", e.Version)
	}
	p.want(http.StatusNotFound, "GET", "/system/function/other", nil)
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	p.want(http.StatusAccepted, "PUT", "/system/functions", deployment("hello", "version=two"))
	if e := p.call("/function/hello", ""); e.Version != "two" {
		t.Errorf("version %q answers", e.Version)
	}
}
