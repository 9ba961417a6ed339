//go:build unix

package builder

import (
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
