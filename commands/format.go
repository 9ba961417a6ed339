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
	registerFormat(cmd, &o.output)
	registerJSON(cmd, &o.json)
}

// registerFormat adds --output/-o.
func registerFormat(cmd *cobra.Command, format *output.Format) {
	choiceVar(cmd.Flags(), format, "output", "o", formatUsage, output.Formats()...)
}

// registerLongFormat adds --output to a command whose -o means something else.
func registerLongFormat(cmd *cobra.Command, format *output.Format) {
	choiceVar(cmd.Flags(), format, "output", "", formatUsage, output.Formats()...)
}

const formatUsage = "print the result as `format`"

// registerJSON adds --json/-j to a command with --output.
func registerJSON(cmd *cobra.Command, json *bool) {
	cmd.Flags().BoolVarP(json, "json", "j", false, "same as --output json")
}

// registerJSON adds --json/-j alone, where --output is a file or a folder.
func (o *formatFlags) registerJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&o.json, "json", "j", false, "print the result as JSON")
}

// findingFormat is how the findings of a check are printed.
type findingFormat string

const (
	findingText  findingFormat = "text"
	findingJSON  findingFormat = "json"
	findingSARIF findingFormat = "sarif" // for code review tools
)

// register adds --output/-o.
func (o *findingFormat) register(cmd *cobra.Command) {
	choiceVar(cmd.Flags(), o, "output", "o", "print the findings as `format`", findingText, findingJSON, findingSARIF)
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
