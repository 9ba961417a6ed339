package commands

import "github.com/spf13/cobra"

func newVersionCmd(_ *Env) *cobra.Command { return laterCmd("version") }
