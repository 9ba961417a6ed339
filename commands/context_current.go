package commands

import (
	"github.com/spf13/cobra"
)

func newContextCurrentCmd(env *Env) *cobra.Command {
	var format formatFlags
	cmd := &cobra.Command{
		Use:     "current",
		Short:   "Print the name of the current context",
		Long:    "Print the name of the current context, or fail if there is none. --context and\nOPENFAAS_CONTEXT, which go before it, are not considered.",
		Example: "  faas-cli context current\n  faas-cli context current --output json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := env.contexts()
			if err != nil {
				return err
			}
			c, ok := all.Find(all.Current)
			if !ok {
				return withHint(errNoContext, "%s", contextsHint(all))
			}
			return printResult(env, format, contextRow{Context: c, Current: true}, c.Name, c.Name)
		},
	}
	format.register(cmd)
	return cmd
}
