package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/local"
)

type localExecOptions struct {
	platform platformFlags
	command  []string
}

func newLocalExecCmd(env *Env) *cobra.Command {
	var o localExecOptions
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARG…]",
		Short: "Run a command with a local platform around it",
		Long: `Start the local platform, run a command with OPENFAAS_URL set to it, stop the
platform, and exit as the command did. A platform that runs already is used and
left running. Without --port any free one is taken if 8080 is not.`,
		Example: "  faas-cli local exec -- make test\n  faas-cli local exec -- sh -c 'faas-cli up && faas-cli invoke hello </dev/null'",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("which command? faas-cli local exec -- COMMAND")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.platform.complete(cmd)
			if err := o.platform.validate(); err != nil {
				return err
			}
			o.command = args
			return runLocalExec(cmd.Context(), env, o)
		},
	}
	o.platform.register(cmd)
	cmd.Flags().SetInterspersed(false) // what follows COMMAND is its own
	return cmd
}

func runLocalExec(ctx context.Context, env *Env, o localExecOptions) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	if in, err := local.Discover(dir); err == nil {
		return env.runWith(ctx, in, o.command)
	}
	err = env.execWithin(ctx, dir, o)
	var port *local.PortError
	if errors.As(err, &port) && !o.platform.portExplicit {
		o.platform.port = 0
		err = env.execWithin(ctx, dir, o)
	}
	return startHint(err)
}

// execWithin runs the command with a platform in this process around it.
func (e *Env) execWithin(ctx context.Context, dir string, o localExecOptions) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // it ends after the command, not with it
	defer stop()
	ready, ended := make(chan local.Instance, 1), make(chan error, 1)
	go func() {
		ended <- e.runPlatform(running, dir, o.platform, io.Discard, func(in local.Instance) { ready <- in })
	}()
	select {
	case err := <-ended:
		return err
	case in := <-ready:
		err := e.runWith(ctx, in, o.command)
		stop()
		return errors.Join(err, <-ended)
	}
}

// runWith runs a command for which in is the gateway, and returns its exit code as an error.
func (e *Env) runWith(ctx context.Context, in local.Instance, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // what the user asked for
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = e.Term.In, e.Term.Out, e.Term.Err, e.Dir
	for _, kv := range e.Environ() {
		if !strings.HasPrefix(kv, "OPENFAAS_URL=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "OPENFAAS_URL="+in.URL())
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return &exitError{code: exit.ExitCode()}
	case errors.As(err, &exit):
		return &exitError{code: 128 + signalOf(exit)}
	case err != nil:
		return fmt.Errorf("run %q: %w", command[0], err)
	}
	return nil
}
