//go:build !unix

package commands

import (
	"context"
	"errors"
	"os/exec"
)

// execPlugin runs the plugin and passes its exit code on.
func execPlugin(ctx context.Context, path string, args []string, env *Env) error {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = env.Environ()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = env.Term.In, env.Term.Out, env.Term.Err
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return &exitError{code: exit.ExitCode()}
	}
	return err
}
