package commands

import "github.com/spf13/cobra"

func newGenerateCmd(_ *Env) *cobra.Command { return laterCmd("generate") }
