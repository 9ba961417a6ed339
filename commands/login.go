package commands

import "github.com/spf13/cobra"

func newLoginCmd(_ *Env) *cobra.Command { return laterCmd("login") }
