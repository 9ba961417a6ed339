package commands

import "github.com/spf13/cobra"

func newLocalRunCmd(_ *Env) *cobra.Command { return laterCmd("local-run") }
