package commands

import "github.com/spf13/cobra"

func newRegistryLoginCmd(_ *Env) *cobra.Command { return laterCmd("registry-login") }
