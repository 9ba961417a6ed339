package commands

import (
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// superviseName is the hidden command that the platform keeps each process of a function by.
const superviseName = "supervise"

func newLocalSuperviseCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     superviseName,
		Hidden:  true,
		Short:   "Keep a function that runs as a process",
		Long:    "Keep a function that runs as a process. The platform starts this; it is of no\nuse by hand.",
		Example: "  (started by the platform)",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			self, err := env.Executable()
			if err != nil {
				return err
			}
			return runtime.Supervise(cmd.Context(), []string{self, "local", superviseName}, args, env.Term.In, env.Term.Out)
		},
	}
}
