package commands

import "github.com/spf13/cobra"

func newLogsCmd(_ *Env) *cobra.Command { return laterCmd("logs") }
