package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/stack"
)

type stackRemoveOptions struct {
	stack stackFlags
	names []string
}

func newStackRemoveCmd(env *Env) *cobra.Command {
	o := stackRemoveOptions{}
	cmd := &cobra.Command{
		Use:     "remove NAME...",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove functions from the stack file",
		Long: `Remove functions from the stack file. Their handlers, and what is deployed of
them, stay; comments above them too.`,
		Example: "  faas-cli stack remove api\n  faas-cli remove api && faas-cli stack remove api",
		Args:    minArgs(1, "the name of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stack.complete(cmd)
			o.names = args
			return runStackRemove(cmd.Context(), env, o)
		},
	}
	o.stack.registerFile(cmd)
	return cmd
}

func runStackRemove(_ context.Context, env *Env, o stackRemoveOptions) error {
	path, err := env.editStack(o.stack, func(path string, text []byte) ([]byte, error) {
		var err error
		for _, name := range o.names {
			if text, err = stack.RemoveFunction(path, text, name); err != nil {
				return nil, err
			}
		}
		return text, nil
	})
	if err != nil {
		return err
	}
	return env.resultf("Removed %s from %s", strings.Join(o.names, ", "), path)
}
