package commands

import "github.com/spf13/cobra"

// unusedFlags are flags that scripts give and that never had an effect: they
// are accepted, hidden, and warned of (KB-103).
type unusedFlags struct{ names []string }

func (o *unusedFlags) register(cmd *cobra.Command, names ...string) {
	o.names = names
	for _, name := range names {
		cmd.Flags().String(name, "", "has no effect")
		_ = cmd.Flags().MarkHidden(name) // it was just defined
	}
}

func (o unusedFlags) warn(env *Env, cmd *cobra.Command) {
	for _, name := range o.names {
		if cmd.Flags().Changed(name) {
			env.warnf("--%s has no effect", name)
		}
	}
}
