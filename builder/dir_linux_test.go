package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWriteDirOnAFullDiskNamesTheFile(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	build := filepath.Join(p.dir, "build")
	if err := os.Mkdir(build, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", build, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(build, syscall.MNT_DETACH) })
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
