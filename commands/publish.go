package commands

import "github.com/spf13/cobra"

func newPublishCmd(_ *Env) *cobra.Command { return laterCmd("publish") }
