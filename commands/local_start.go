package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/local"
)

type localStartOptions struct {
	platform   platformFlags
	foreground bool
	background bool // this process is the one in the background; hidden
}

func newLocalStartCmd(env *Env) *cobra.Command {
	var o localStartOptions
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the local platform",
		Long: `Start the local platform in the background, or in the foreground until Ctrl-C.
Functions that were deployed before come back. One platform runs at a time; when
it runs already, that is no error.`,
		Example: `  faas-cli local start
  faas-cli local start --port 9090 --registry
  faas-cli local start --foreground --runtime process`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.platform.complete(cmd)
			if err := o.platform.validate(); err != nil {
				return err
			}
			return runLocalStart(cmd.Context(), env, o)
		},
	}
	o.platform.register(cmd)
	cmd.Flags().BoolVar(&o.foreground, "foreground", false, "stay in the foreground until Ctrl-C, logging to stderr")
	cmd.Flags().BoolVar(&o.background, "background", false, "")
	_ = cmd.Flags().MarkHidden("background") // the flag exists
	return cmd
}

func runLocalStart(ctx context.Context, env *Env, o localStartOptions) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	switch {
	case o.background:
		return runLocalBackground(ctx, env, dir, o)
	case o.foreground:
		err := env.runPlatform(ctx, dir, o.platform, env.Term.Err, func(in local.Instance) { _ = env.announce(in) })
		return startHint(err)
	}
	if _, err := local.Discover(dir); err != nil && o.platform.runtime == runtimeDocker {
		client, err := env.platformEngine(ctx) // the process in the background could not say as well why there is none
		if err != nil {
			return startHint(err)
		}
		_ = client.Close()
	}
	in, err := env.launchPlatform(ctx, dir, o.platform)
	var running *local.RunningError
	if errors.As(err, &running) && running.Instance.Address != "" && sameWish(o.platform, running.Instance) {
		env.progressf("the local platform runs already (process %d)", running.Instance.PID)
		in, err = running.Instance, nil
	}
	if err != nil {
		return startHint(err)
	}
	if err := env.announce(in); err != nil {
		return err
	}
	if in.Prove(ctx, env.proofClient()) == nil { // else nothing more is known, and that it runs is what was asked for
		if runtimes, err := in.Runtimes(ctx, env.proofClient()); err == nil {
			env.warnWaiting(runtimes)
		}
	}
	return nil
}

// sameWish says whether the platform that runs is the one that is asked for.
func sameWish(o platformFlags, in local.Instance) bool {
	if o.portExplicit && o.port != 0 && in.URL() != fmt.Sprintf("http://127.0.0.1:%d", o.port) {
		return false
	}
	return (o.registry == "" || in.Registry != "") && (o.runtime == runtimeAuto || string(o.runtime) == in.Runtime)
}

// launchPlatform starts a platform in the background.
func (e *Env) launchPlatform(ctx context.Context, dir string, o platformFlags) (local.Instance, error) {
	self, err := e.Executable()
	if err != nil {
		return local.Instance{}, fmt.Errorf("find this program: %w", err)
	}
	command := slices.Concat([]string{self, "local", "start", "--background"}, o.args())
	return local.Launch{Dir: dir, Command: command, Env: e.Environ()}.Start(ctx)
}

// runLocalBackground is the platform in the background: whoever started it waits for its report.
func runLocalBackground(ctx context.Context, env *Env, dir string, o localStartOptions) error {
	report := os.NewFile(local.ReadyFD, "report")
	if report == nil {
		return usagef("--background is for local start itself")
	}
	answered := false
	err := env.runPlatform(ctx, dir, o.platform, env.Term.Err, func(in local.Instance) {
		answered = true
		_ = local.ReportReady(report, in) // when nobody listens, it runs all the same
		_ = report.Close()
	})
	if err != nil && !answered {
		_ = local.ReportFailed(report, err)
		return &exitError{code: exitFailed} // the other process says it
	}
	return err
}

// announce says where a platform is.
func (e *Env) announce(in local.Instance) error {
	if err := e.resultf("The local platform is ready at %s", in.URL()); err != nil {
		return err
	}
	if in.Registry != "" {
		if err := e.resultf("Images can be pushed to and pulled from %s (user %s, password: faas-cli local password)", in.Registry, local.User); err != nil {
			return err
		}
	}
	return e.resultf("Other tools: export OPENFAAS_URL=%s", in.URL())
}
