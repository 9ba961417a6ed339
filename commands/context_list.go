package commands

import (
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/credentials"
	"github.com/faas-cli/faas-cli/internal/output"
)

func newContextListCmd(env *Env) *cobra.Command {
	var format formatFlags
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the contexts",
		Long:    "List the contexts in the order they were added in; * marks the current one.",
		Example: "  faas-cli context list\n  faas-cli context list --output json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runContextList(env, format) },
	}
	format.register(cmd)
	return cmd
}

// contextRow is a context as it is printed.
type contextRow struct {
	credentials.Context
	Current bool `json:"current"`
}

func runContextList(env *Env, format formatFlags) error {
	all, err := env.contexts()
	if err != nil {
		return err
	}
	rows := make([]contextRow, len(all.Contexts))
	for i, c := range all.Contexts {
		rows[i] = contextRow{Context: c, Current: c.Name == all.Current}
	}
	mark := func(r contextRow) string {
		if r.Current {
			return "*"
		}
		return ""
	}
	return output.Printer[contextRow]{
		Format: format.format(),
		Name:   func(r contextRow) string { return r.Name },
		Columns: []output.Column[contextRow]{
			{Header: "Current", Value: mark},
			{Header: "Name", Value: func(r contextRow) string { return r.Name }},
			{Header: "Gateway", Value: func(r contextRow) string { return r.Gateway }},
			{Header: "Namespace", Value: func(r contextRow) string { return r.Namespace }},
			{Header: "CA", Wide: true, Value: func(r contextRow) string { return r.TLS.CAFile }},
			{Header: "Certificate", Wide: true, Value: func(r contextRow) string { return r.TLS.CertFile }},
		},
	}.List(env.Term.Out, rows)
}
