package commands

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/credentials"
)

func newContextUseCmd(env *Env) *cobra.Command {
	var none bool
	cmd := &cobra.Command{
		Use:     "use NAME",
		Short:   "Choose the current context",
		Long:    "Choose the context that commands use when nothing else names a gateway, or none with\n--none.",
		Example: "  faas-cli context use prod\n  faas-cli context use --none",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) != none {
				return usagef("give the NAME of a context, or --none")
			}
			name := ""
			if !none {
				name = args[0]
			}
			return runContextUse(cmd.Context(), env, name)
		},
	}
	cmd.Flags().BoolVar(&none, "none", false, "have no current context")
	return cmd
}

func runContextUse(ctx context.Context, env *Env, name string) error {
	store, err := env.credentialStore()
	if err != nil {
		return err
	}
	gateway := ""
	err = store.EditContexts(ctx, func(all *credentials.Contexts) error {
		c, ok := all.Find(name)
		if !ok && name != "" {
			return noSuchContext(name, *all)
		}
		all.Current, gateway = name, c.Gateway
		return nil
	})
	if err != nil {
		return err
	}
	if name == "" {
		return env.resultf("No current context")
	}
	return env.resultf("Current context: %s (%s)", name, gateway)
}

func noSuchContext(name string, all credentials.Contexts) error {
	return withHint(fmt.Errorf("there is no context %q", name), "%s", contextsHint(all))
}

func newContextRemoveCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove a context",
		Long:    "Remove a context. What login saved for its gateway stays; logout removes that.",
		Example: "  faas-cli context remove prod",
		Args:    exactArgs("the NAME of a context"),
		RunE:    func(cmd *cobra.Command, args []string) error { return runContextRemove(cmd.Context(), env, args[0]) },
	}
}

func runContextRemove(ctx context.Context, env *Env, name string) error {
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
	return env.resultf("Removed context %s", name)
}

func newContextCurrentCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "current",
		Short:   "Print the name of the current context",
		Long:    "Print the name of the current context, or fail if there is none. --context and\nOPENFAAS_CONTEXT, which go before it, are not considered.",
		Example: "  faas-cli context current",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := env.contexts()
			if err != nil {
				return err
			}
			if _, ok := all.Find(all.Current); !ok {
				return withHint(errNoContext, "%s", contextsHint(all))
			}
			return env.resultf("%s", all.Current)
		},
	}
}
