package commands

import "github.com/spf13/cobra"

func newTemplateCmd(_ *Env) *cobra.Command { return laterCmd("template") }
