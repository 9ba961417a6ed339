//go:build !unix

package git

import "os/exec"

// ownGroup leaves the command as it is: here only git itself is ended with
// ctx, and its helpers end with the pipes they lose.
func ownGroup(*exec.Cmd) {}
