package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/templates"
)

type templateRemoveOptions struct {
	stackFile string
	names     []string
	force     bool
	format    output.Format
}

func newTemplateRemoveCmd(env *Env) *cobra.Command {
	o := templateRemoveOptions{}
	cmd := &cobra.Command{
		Use:     "remove NAME...",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove templates from this project",
		Long: `Remove templates from ./template and from template.lock. One whose files were
changed since it was pinned is only removed with --force.`,
		Example: "  faas-cli template remove golang-http@0.9.0\n  faas-cli template remove python3-http node22 --output json",
		Args:    minArgs(1, "the name of a template"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names, o.stackFile = args, firstStackFile(cmd)
			return runTemplateRemove(cmd.Context(), env, o)
		},
	}
	registerLockYAML(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.force, "force", false, "remove also what was changed since it was pinned")
	registerFormat(cmd, &o.format)
	return cmd
}

// minArgs wants at least n arguments, the first of which is what.
func minArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("%s wants %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

func runTemplateRemove(ctx context.Context, env *Env, o templateRemoveOptions) error {
	p, err := env.openTemplates(templateFlags{}, templateSources{stackFile: o.stackFile})
	if err != nil {
		return err
	}
	defer p.Close()
	removed := []removedTemplate{}
	var errs []error
	for _, name := range o.names {
		if err := p.Forget(ctx, name, o.force); err != nil {
			if errors.Is(err, templates.ErrExists) {
				err = withHint(err, "--force removes it all the same")
			}
			errs = append(errs, err)
			continue
		}
		removed = append(removed, removedTemplate{Name: name})
	}
	return errors.Join(append(errs, printRemovedTemplates(env, o.format, removed))...)
}

// removedTemplate is a template that is no longer there.
type removedTemplate struct {
	Name string `json:"name"`
}

func printRemovedTemplates(env *Env, format output.Format, removed []removedTemplate) error {
	if format != output.Table && format != output.Wide {
		return output.Printer[removedTemplate]{Format: format, Name: func(r removedTemplate) string { return r.Name }}.List(env.Term.Out, removed)
	}
	var errs []error
	for _, r := range removed {
		errs = append(errs, env.resultf("Removed template: %s", r.Name))
	}
	return errors.Join(errs...)
}
