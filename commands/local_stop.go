package commands

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/local"
)

type localStopOptions struct{ purge bool }

func newLocalStopCmd(env *Env) *cobra.Command {
	var o localStopOptions
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Stop the local platform",
		Long: `Stop the local platform and its functions. Calls in flight are answered and the
asynchronous queue is drained first. Functions, secrets and images stay for the
next start, unless --purge removes them with everything else that the platform
ever made.`,
		Example: "  faas-cli local stop\n  faas-cli local stop --purge",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLocalStop(cmd.Context(), env, o)
		},
	}
	cmd.Flags().BoolVar(&o.purge, "purge", false, "also remove functions, secrets, images and credentials")
	return cmd
}

func runLocalStop(ctx context.Context, env *Env, o localStopOptions) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	err = local.Stop(ctx, dir)
	switch {
	case errors.Is(err, local.ErrNotRunning):
		env.progressf("%v", local.ErrNotRunning)
	case err != nil:
		return err
	default:
		if err := env.resultf("Stopped."); err != nil {
			return err
		}
	}
	if !o.purge {
		return nil
	}
	self, err := env.Executable()
	if err != nil {
		return err
	}
	runtimes := env.localRuntimes(runtimeAuto, self, slog.New(slog.DiscardHandler))
	err = local.Purge(ctx, dir, runtimes)
	if engine.IsUnavailable(err) { // without it containers would stay, and nothing would know whose they are
		return withHint(err, "start the container engine, then run this again")
	}
	if err != nil {
		return err
	}
	return env.resultf("Everything of the local platform is removed.")
}
