//go:build unix

package git

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a session of its own: neither it nor the ssh that
// it may start can open the terminal to ask something, and the end of ctx
// reaches all of them.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error {
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
}
