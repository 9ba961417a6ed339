package commands

import "github.com/spf13/cobra"

func newStoreCmd(_ *Env) *cobra.Command { return laterCmd("store") }
