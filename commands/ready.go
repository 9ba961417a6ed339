package commands

import "github.com/spf13/cobra"

func newReadyCmd(_ *Env) *cobra.Command { return laterCmd("ready") }
