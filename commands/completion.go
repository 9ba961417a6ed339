package commands

import "github.com/spf13/cobra"

func newCompletionCmd(_ *Env) *cobra.Command { return laterCmd("completion") }
