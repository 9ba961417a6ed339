package commands

import "github.com/spf13/cobra"

func newInvokeCmd(_ *Env) *cobra.Command { return laterCmd("invoke") }
