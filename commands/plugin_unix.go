//go:build unix

package commands

import (
	"context"

	"golang.org/x/sys/unix"
)

// execPlugin becomes the plugin: same process, so signals, terminal and exit
// code are its own. It returns only when that fails.
func execPlugin(_ context.Context, path string, args []string, env *Env) error {
	return unix.Exec(path, append([]string{path}, args...), env.Environ())
}
