package commands

import "github.com/spf13/cobra"

func newDescribeCmd(_ *Env) *cobra.Command { return laterCmd("describe") }
