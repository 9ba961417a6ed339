//go:build !unix

package local

import (
	"os"
	"os/exec"
)

// detach does nothing: the command has its own console.
func detach(*exec.Cmd) {}

// interrupt ends a process that is being started; it cannot be asked on this system.
func interrupt(p *os.Process) { _ = p.Kill() }

// terminate ends a platform; it cannot be asked on this system.
func terminate(p *os.Process) error { return p.Kill() }
