//go:build !unix

package commands

import "os/exec"

// signalOf is 0: no signals end processes on this system.
func signalOf(*exec.ExitError) int { return 0 }
