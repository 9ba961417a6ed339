package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/stack"
)

type stackRenameOptions struct {
	stack    stackFlags
	from, to string
}

func newStackRenameCmd(env *Env) *cobra.Command {
	o := stackRenameOptions{}
	cmd := &cobra.Command{
		Use:     "rename OLD NEW",
		Short:   "Rename a function of the stack file",
		Long:    "Rename a function of the stack file. Its handler, image and what is deployed\nkeep their names.",
		Example: "  faas-cli stack rename api users-api",
		Args:    exactArgs("the old name", "the new name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stack.complete(cmd)
			o.from, o.to = args[0], args[1]
			return runStackRename(cmd.Context(), env, o)
		},
	}
	o.stack.registerFile(cmd)
	return cmd
}

func runStackRename(_ context.Context, env *Env, o stackRenameOptions) error {
	path, err := env.editStack(o.stack, func(path string, text []byte) ([]byte, error) {
		return stack.RenameFunction(path, text, o.from, o.to)
	})
	if err != nil {
		return err
	}
	return env.resultf("Renamed %s to %s in %s", o.from, o.to, path)
}
