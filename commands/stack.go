package commands

import "github.com/spf13/cobra"

func newStackCmd(_ *Env) *cobra.Command { return laterCmd("stack") }
