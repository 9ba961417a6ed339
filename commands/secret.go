package commands

import "github.com/spf13/cobra"

func newSecretCmd(_ *Env) *cobra.Command { return laterCmd("secret") }
