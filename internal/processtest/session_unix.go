//go:build unix

package processtest

import (
	"os/exec"
	"syscall"
)

// ownSession detaches a command from the function's process group.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
