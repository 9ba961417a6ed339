package commands

import "github.com/spf13/cobra"

func newContextCmd(_ *Env) *cobra.Command { return laterCmd("context") }
