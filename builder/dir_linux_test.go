package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
	for name, size := range map[string]int{"small": 100 << 10, "large": 4 << 20} {
		for _, n := range []string{"a", "b", "c"} {
			p.write(t, "fn/"+name+n+".bin", strings.Repeat("x", size))
		}
		err := p.mustPrepare(t).WriteDir(t.Context(), "build/fn")
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "build/fn/function/") {
			t.Errorf("%s: error = %v; want ENOSPC, and the name of the file", name, err)
		}
		for _, n := range []string{"a", "b", "c"} {
			if err := os.Remove(filepath.Join(p.dir, "fn", name+n+".bin")); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.shrinkWrap(t) // there is room again, and nothing half is left
	if got := p.read(t, "build/fn/function/h.txt"); got != "mine\n" {
		t.Errorf("after the failure: %q", got)
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
