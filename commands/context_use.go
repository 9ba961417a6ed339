package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/credentials"
	"github.com/faas-cli/faas-cli/internal/output"
)

type contextUseOptions struct {
	name   string // empty: none
	none   bool
	format formatFlags
}

func newContextUseCmd(env *Env) *cobra.Command {
	var o contextUseOptions
	cmd := &cobra.Command{
		Use:     "use NAME",
		Short:   "Choose the current context",
		Long:    "Choose the context that commands use when nothing else names a gateway, or none\nwith --none.",
		Example: "  faas-cli context use prod\n  faas-cli context use --none\n  faas-cli context use prod --output json",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) != o.none {
				return usagef("give the NAME of a context, or --none")
			}
			if !o.none {
				o.name = args[0]
			}
			return runContextUse(cmd.Context(), env, o)
		},
	}
	o.format.register(cmd)
	cmd.Flags().BoolVar(&o.none, "none", false, "have no current context")
	return cmd
}

func runContextUse(ctx context.Context, env *Env, o contextUseOptions) error {
	store, err := env.credentialStore()
	if err != nil {
		return err
	}
	row := contextRow{Current: true}
	err = store.EditContexts(ctx, func(all *credentials.Contexts) error {
		c, ok := all.Find(o.name)
		if !ok && !o.none {
			return noSuchContext(o.name, *all)
		}
		all.Current, row.Context = o.name, c
		return nil
	})
	switch {
	case err != nil:
		return err
	case o.none && o.format.format() == output.Name:
		return nil
	case o.none:
		return printResult[*contextRow](env, o.format, nil, "", "No current context")
	}
	return printResult(env, o.format, row, o.name, sprintf("Current context: %s (%s)", o.name, row.Gateway))
}

func noSuchContext(name string, all credentials.Contexts) error {
	return withHint(fmt.Errorf("there is no context %q", name), "%s", contextsHint(all))
}
