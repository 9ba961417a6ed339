package commands

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/templates"
)

type templateListOptions struct {
	stackFile string
	format    output.Format
}

func newTemplateListCmd(env *Env) *cobra.Command {
	o := templateListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the templates of this project",
		Long: `List the templates of this project: those in ./template, and those that
template.lock pins. The state says whether one is locked, modified since it was
pinned, missing (the next build installs it), linked or embedded in faas-cli.`,
		Example: "  faas-cli template list\n  faas-cli template list --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stackFile = firstStackFile(cmd)
			return runTemplateList(env, o)
		},
	}
	registerLockYAML(cmd)
	registerFormat(cmd, &o.format)
	return cmd
}

func runTemplateList(env *Env, o templateListOptions) error {
	p, err := env.openTemplates(templateFlags{offline: true}, templateSources{stackFile: o.stackFile})
	if err != nil {
		return err
	}
	defer p.Close()
	rows, err := p.List()
	if err != nil {
		return err
	}
	type row = templates.Status
	return output.Printer[row]{Format: o.format, Name: func(r row) string { return r.Name },
		Columns: []output.Column[row]{
			{Header: "Name", Value: func(r row) string { return r.Name }},
			{Header: "Version", Value: row.Version},
			{Header: "State", Value: templateState},
			{Header: "Source", Value: func(r row) string { return env.shown(r.Source) }},
			{Header: "Commit", Wide: true, Value: func(r row) string { return env.shown(r.Commit) }},
			{Header: "Digest", Wide: true, Value: func(r row) string { return r.Digest }},
		}}.List(env.Term.Out, rows)
}

func templateState(s templates.Status) string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{{s.Embedded, "embedded"}, {s.Linked, "linked"}, {s.Missing, "missing"}, {s.Locked && !s.Linked, "locked"}, {s.Modified, "modified"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ",")
}
