package commands

import "github.com/spf13/cobra"

func newChartCmd(env *Env) *cobra.Command {
	return newGroupCmd("chart", "Work with Helm charts",
		"Work with Helm charts.",
		"  faas-cli chart export --namespace openfaas",
		newChartExportCmd(env),
	)
}
