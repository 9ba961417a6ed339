package commands

import "github.com/spf13/cobra"

func newLocalCmd(_ *Env) *cobra.Command { return laterCmd("local") }
