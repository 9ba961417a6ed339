package commands

import (
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
)

// formatFlags say how results are printed: --output, and --json for the
// scripts that know only that.
type formatFlags struct {
	output output.Format // empty: a table, of commands whose --output is a file
	json   bool
}

// register adds --output/-o and --json/-j.
func (o *formatFlags) register(cmd *cobra.Command) {
	o.output = output.Table
	cmd.Flags().VarP(&o.output, "output", "o", "print the result as `format`: table, wide, json, yaml or name")
	cmd.Flags().BoolVarP(&o.json, "json", "j", false, "same as --output json")
}

// registerJSON adds --json/-j alone, where --output is a file or a folder.
func (o *formatFlags) registerJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.json, "json", "j", false, "print the result as JSON")
}

func (o formatFlags) format() output.Format {
	if o.json {
		return output.JSON
	}
	return o.output
}

// table says whether people read the result, so that the statements around it
// belong on stdout too.
func (o formatFlags) table() bool {
	f := o.format()
	return f == output.Table || f == output.Wide || f == ""
}
