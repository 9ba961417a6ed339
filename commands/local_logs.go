package commands

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/local"
)

type localLogsOptions struct{ follow bool }

func newLocalLogsCmd(env *Env) *cobra.Command {
	var o localLogsOptions
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show what the local platform itself logs",
		Long: `Show what the local platform logs when it runs in the background. The output of
functions is another command's: faas-cli logs NAME.`,
		Example: "  faas-cli local logs\n  faas-cli local logs --follow",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLocalLogs(cmd.Context(), env, o)
		},
	}
	cmd.Flags().BoolVar(&o.follow, "follow", false, "go on with new lines until Ctrl-C")
	return cmd
}

// platformLogEvery is how often a followed log is looked at.
const platformLogEvery = 200 * time.Millisecond

func runLocalLogs(ctx context.Context, env *Env, o localLogsOptions) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	f, err := os.Open(local.GatewayLog(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return withHint(errors.New("the local platform has not run in the background yet"), "faas-cli local start")
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for {
		if _, err := io.Copy(env.Term.Out, f); err != nil || !o.follow {
			return err
		}
		if err := sleep(ctx, platformLogEvery); err != nil {
			return err
		}
	}
}
