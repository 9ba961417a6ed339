package commands

import "github.com/spf13/cobra"

func newListCmd(_ *Env) *cobra.Command { return laterCmd("list") }
