package commands

import "github.com/spf13/cobra"

func newNewCmd(_ *Env) *cobra.Command { return laterCmd("new") }
