//go:build unix

package local

import (
	"os"
	"os/exec"
	"syscall"
)

// detach keeps the terminal's signals from a command, and files that came open from the user's shell: somebody may wait
// for their end.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	keepFiles()
}

// interrupt asks a process that is being started to end.
func interrupt(p *os.Process) { _ = p.Signal(os.Interrupt) }

// terminate asks a platform to end.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
