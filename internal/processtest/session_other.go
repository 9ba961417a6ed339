//go:build !unix

package processtest

import "os/exec"

// ownSession does nothing: there are no sessions on this system.
func ownSession(*exec.Cmd) {}
