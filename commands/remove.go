package commands

import "github.com/spf13/cobra"

func newRemoveCmd(_ *Env) *cobra.Command { return laterCmd("remove") }
