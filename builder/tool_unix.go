//go:build unix

package builder

import (
	"errors"
	"os/exec"
	"syscall"
)

// ownGroup puts cmd and all that it starts into a process group of its own,
// which is interrupted when its context ends. The terminal sends a Ctrl-C to our
// group only, and tools that got one as well would seem to have failed where they
// end before we have noticed.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		if errors.Is(err, syscall.ESRCH) { // it has ended
			return nil
		}
		return err
	}
}
