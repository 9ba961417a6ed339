//go:build unix

package commands

import (
	"os/exec"
	"syscall"
)

// signalOf returns the signal that ended a process.
func signalOf(e *exec.ExitError) int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return int(status.Signal())
	}
	return 0
}
