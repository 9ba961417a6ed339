package commands

import "github.com/spf13/cobra"

func newPushCmd(_ *Env) *cobra.Command { return laterCmd("push") }
