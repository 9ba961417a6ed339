package commands

import "github.com/spf13/cobra"

func newLogoutCmd(_ *Env) *cobra.Command { return laterCmd("logout") }
