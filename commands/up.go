package commands

import "github.com/spf13/cobra"

func newUpCmd(_ *Env) *cobra.Command { return laterCmd("up") }
