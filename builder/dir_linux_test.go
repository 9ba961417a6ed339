package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/registry"
)

// mountSmall makes dir a file system of the given size.
func mountSmall(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestWriteDirOnAFullDiskNamesTheFile(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	build := filepath.Join(p.dir, "build")
	if err := os.Mkdir(build, 0o700); err != nil {
		t.Fatal(err)
	}
	mountSmall(t, build, "256k")
	for name, size := range map[string]int{"small": 20 << 10, "middle": 100 << 10, "large": 4 << 20} {
		for n := range 15 {
			p.write(t, fmt.Sprintf("fn/%s%d.bin", name, n), strings.Repeat("x", size))
		}
		err := p.mustPrepare(t).WriteDir(t.Context(), "build/fn")
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "build/fn/function/") {
			t.Errorf("%s: error = %v; want ENOSPC, and the name of the file", name, err)
		}
		for n := range 15 {
			if err := os.Remove(filepath.Join(p.dir, fmt.Sprintf("fn/%s%d.bin", name, n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.shrinkWrap(t) // there is room again, and nothing half is left
	if got := p.read(t, "build/fn/function/h.txt"); got != "mine\n" {
		t.Errorf("after the failure: %q", got)
	}
}

func TestSendCopiesWholeSmallFilesOnly(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"empty": "", "script*": "#!", "limit": "12345678", "link:link": "script", "there": "old"})
	if err := syscall.Mkfifo(filepath.Join(p.dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Unix(1600000000, 123456789)
	if err := os.Chtimes(filepath.Join(p.dir, "script"), then, then); err != nil {
		t.Fatal(err)
	}
	dir, err := openFolder(p.root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	for base, want := range map[string]bool{"empty": true, "script": true, "limit": false, "link": false, "pipe": false, "missing": false} {
		name := base + ".copy"
		if got := dir.send(name, dir, base, 8, 0o777); got != want {
			t.Errorf("send %s = %v; want %v", base, got, want)
		}
		if _, err := os.Lstat(filepath.Join(p.dir, name)); want != (err == nil) {
			t.Errorf("%s is left or missing: %v", name, err)
		}
	}
	if dir.send("there", dir, "script", 8, 0) || p.read(t, "there") != "old" {
		t.Error("a file that was there is no longer what it was")
	}
	if copied := p.stat(t, "script.copy"); copied.Mode() != 0o755 || !copied.ModTime().Equal(then) || p.read(t, "script.copy") != "#!" {
		t.Errorf("the copy has mode %v, time %v and %q", copied.Mode(), copied.ModTime(), p.read(t, "script.copy"))
	}
}

func TestNativeOnAFullStateFolder(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	dir := t.TempDir()
	mountSmall(t, dir, "1m")
	n := newNative(t)
	n.Store = registry.Open(dir)
	p := newProject(t, map[string]string{"fn/handler.go": goHandler})
	req := Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputEngine}}}
	if _, err := n.Build(t.Context(), req, func(Event) {}); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "image store") {
		t.Errorf("error = %v; want ENOSPC of the image store", err)
	}
	if _, named, err := n.Store.Resolve("me/fn:1"); named || err != nil {
		t.Errorf("the store has a name for half an image: %v, %v", named, err)
	}
}
