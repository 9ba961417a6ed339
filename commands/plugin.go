package commands

import "github.com/spf13/cobra"

func newPluginCmd(_ *Env) *cobra.Command { return laterCmd("plugin") }
