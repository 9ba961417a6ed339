package commands

import "github.com/spf13/cobra"

func newScaleCmd(_ *Env) *cobra.Command { return laterCmd("scale") }
