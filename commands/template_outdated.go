package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/templates"
)

type templateOutdatedOptions struct {
	templates templateFlags
	stackFile string
	names     []string
	format    output.Format
}

func newTemplateOutdatedCmd(env *Env) *cobra.Command {
	o := templateOutdatedOptions{}
	cmd := &cobra.Command{
		Use:   "outdated [NAME...]",
		Short: "Say which pinned templates have moved on",
		Long: `Ask the repositories of pinned templates which commit their branch or tag names
now, and compare it with template.lock. Nothing is changed.`,
		Example: "  faas-cli template outdated\n  faas-cli template outdated --output json",
		Args:    anyArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names, o.stackFile = args, firstStackFile(cmd)
			return runTemplateOutdated(cmd.Context(), env, o)
		},
	}
	registerLockYAML(cmd)
	cmd.Flags().DurationVar(&o.templates.timeout, "template-timeout", templates.DefaultTimeout, "`time` that asking one template repository may take")
	registerFormat(cmd, &o.format)
	return cmd
}

// anyArgs allows all arguments.
func anyArgs(*cobra.Command, []string) error { return nil }

func runTemplateOutdated(ctx context.Context, env *Env, o templateOutdatedOptions) error {
	p, err := env.openTemplates(o.templates, templateSources{stackFile: o.stackFile})
	if err != nil {
		return err
	}
	defer p.Close()
	rows, err := p.Outdated(ctx, o.names...)
	if err != nil && rows == nil {
		return env.gitWords(err)
	}
	type row = templates.Newer
	printErr := output.Printer[row]{Format: o.format, Name: func(r row) string { return r.Name },
		Columns: []output.Column[row]{
			{Header: "Name", Value: func(r row) string { return r.Name }},
			{Header: "Pinned", Value: func(r row) string { return templates.ShortID(r.Current) }},
			{Header: "Newest", Value: func(r row) string { return templates.ShortID(r.Latest) }},
			{Header: "State", Value: func(r row) string {
				if r.Outdated {
					return "outdated"
				}
				return "current"
			}},
			{Header: "Ref", Wide: true, Value: func(r row) string { return r.Ref }},
			{Header: "Source", Wide: true, Value: func(r row) string { return env.shown(r.Source) }},
		}}.List(env.Term.Out, rows)
	return errors.Join(printErr, env.gitWords(err))
}
