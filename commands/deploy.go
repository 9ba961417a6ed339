package commands

import "github.com/spf13/cobra"

func newDeployCmd(_ *Env) *cobra.Command { return laterCmd("deploy") }
