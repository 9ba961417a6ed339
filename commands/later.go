package commands

import (
	"fmt"

	"github.com/spf13/cobra"
)

// laterCmd stands where a command will be: it says so and fails.
func laterCmd(name string) *cobra.Command {
	return &cobra.Command{
		Use:                name,
		Short:              "Not part of this version yet",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s is not part of this version yet", cmd.CommandPath())
		},
	}
}
