//go:build unix

package builder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPrepareNamesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	p := newProject(t, basics())
	if err := syscall.Mkfifo(filepath.Join(p.dir, "fn/pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := p.prepare(t); err == nil || !strings.Contains(err.Error(), `"fn/pipe"`) || !strings.Contains(err.Error(), "named pipe") {
		t.Errorf("error = %v; want one that names the pipe", err)
	}
}

// notAsRoot says whether this process is one to test permissions in. Root may
// do everything, so that the test is run as another user in a child.
func notAsRoot(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return true
	}
	const nobody = 65534
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} { // others have no access to what tests make
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for d := filepath.Dir(dir); d != "/"; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err != nil || info.Mode()&0o001 == 0 {
			t.Skipf("other users cannot enter %s, where temporary files are", d)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self) // where it is, the child may not be allowed to go
	if err != nil {
		t.Fatal(err)
	}
	copied, temp := filepath.Join(dir, "test"), filepath.Join(dir, "tmp")
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(temp, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), copied, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Dir, cmd.Env = temp, []string{"TMPDIR=" + temp, "HOME=" + temp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as another user: %v\n%s", err, out)
	}
	return false
}

func TestUnreadableFileIsNamed(t *testing.T) {
	t.Parallel()
	if !notAsRoot(t) {
		return
	}
	for _, name := range []string{"fn/h.txt", "template/tpl/Dockerfile", "fn/sub"} {
		p := newProject(t, basics())
		p.write(t, "fn/sub/x", "x")
		if err := os.Chmod(filepath.Join(p.dir, name), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(p.dir, name), 0o700) })
		check := func(what string, err error) {
			t.Helper()
			if shown := strings.TrimPrefix(name, "template/tpl/"); err == nil || !strings.Contains(err.Error(), shown) || !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: error = %v; want one that names %s", what, err, shown)
			}
		}
		c, err := p.prepare(t)
		if name == "fn/sub" {
			check("prepare", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		check("tar", c.WriteTar(t.Context(), io.Discard))
		check("dir", c.WriteDir(t.Context(), "build/fn"))
		_, err = c.Fingerprint(t.Context())
		check("fingerprint", err)
	}
}
