package commands

import "github.com/spf13/cobra"

func newNamespaceCmd(_ *Env) *cobra.Command { return laterCmd("namespace") }
