package commands

import (
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/schema"
)

func newStackSchemaCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of stack files",
		Long: `Print the JSON Schema (2020-12) of stack files, which editors use for completion
and checks.`,
		Example: "  faas-cli stack schema > stack.schema.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.Term.Out.Write(schema.StackJSONSchema())
			return err
		},
	}
}
