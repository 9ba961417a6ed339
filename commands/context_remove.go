package commands

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/credentials"
)

func newContextRemoveCmd(env *Env) *cobra.Command {
	var format formatFlags
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove a context",
		Long:    "Remove a context. What login saved for its gateway stays; logout removes that.",
		Example: "  faas-cli context remove prod\n  faas-cli context remove prod --output json",
		Args:    exactArgs("the NAME of a context"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runContextRemove(cmd.Context(), env, args[0], format)
		},
	}
	format.register(cmd)
	return cmd
}

func runContextRemove(ctx context.Context, env *Env, name string, format formatFlags) error {
	store, err := env.credentialStore()
	if err != nil {
		return err
	}
	err = store.EditContexts(ctx, func(all *credentials.Contexts) error {
		before := len(all.Contexts)
		all.Contexts = slices.DeleteFunc(all.Contexts, func(c credentials.Context) bool { return c.Name == name })
		if len(all.Contexts) == before {
			return noSuchContext(name, *all)
		}
		if all.Current == name {
			all.Current = ""
		}
		return nil
	})
	if err != nil {
		return err
	}
	return printResult(env, format, change{Name: name, Outcome: outcomeRemoved}, name, sprintf("Removed context %s", name))
}
