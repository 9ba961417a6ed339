package commands

import "github.com/spf13/cobra"

func newChartCmd(_ *Env) *cobra.Command { return laterCmd("chart") }
