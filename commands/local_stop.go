package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/runtime"
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
	if err := local.Purge(ctx, dir, withContainers(env, runtimes)); err != nil {
		return err
	}
	return env.resultf("Everything of the local platform is removed.")
}

// withContainers insists on the engine where containers may be left: without it they would stay, and nothing would know
// whose they are.
func withContainers(env *Env, runtimes localRuntimesFunc) localRuntimesFunc {
	return func(ctx context.Context, h local.Host) ([]runtime.Runtime, error) {
		all, err := runtimes(ctx, h)
		if err != nil || slices.ContainsFunc(all, func(r runtime.Runtime) bool { return r.Kind() == runtime.Docker }) {
			return all, err
		}
		if _, serr := os.Stat(h.RuntimeDir(runtime.Docker)); serr != nil {
			return all, nil // there never were any
		}
		client, err := engine.Connect(ctx, engine.Options{Lookup: env.Lookup})
		if err != nil {
			return nil, withHint(fmt.Errorf("remove containers: %w", err), "start the container engine, then run this again")
		}
		return all, client.Close()
	}
}
