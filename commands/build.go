package commands

import "github.com/spf13/cobra"

func newBuildCmd(_ *Env) *cobra.Command { return laterCmd("build") }
