package commands

import "github.com/spf13/cobra"

func newLocalRegistryCmd(env *Env) *cobra.Command {
	return newGroupCmd("registry", "Look after the images of the local platform",
		"Look after the images of the local platform.",
		"  faas-cli local registry gc",
		newLocalRegistryGCCmd(env),
	)
}
