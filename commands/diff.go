package commands

import "github.com/spf13/cobra"

func newDiffCmd(_ *Env) *cobra.Command { return laterCmd("diff") }
