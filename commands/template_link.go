package commands

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

type templateLinkOptions struct {
	stackFile string
	dir       string
	name      string
}

func newTemplateLinkCmd(env *Env) *cobra.Command {
	o := templateLinkOptions{}
	cmd := &cobra.Command{
		Use:   "link DIR",
		Short: "Use a folder on this machine as a template, in place",
		Long: `Use a folder on this machine as a template, in place: what is changed in it is
used by the next build. For those who write templates. template.lock names the
folder; template remove ends the link and leaves the folder alone.`,
		Example: "  faas-cli template link ../my-templates/template/rust-axum\n  faas-cli template link . --name mine",
		Args:    exactArgs("the folder of a template"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir, o.stackFile = args[0], firstStackFile(cmd)
			return runTemplateLink(cmd.Context(), env, o)
		},
	}
	registerLockYAML(cmd)
	cmd.Flags().StringVar(&o.name, "name", "", "`name` of the template (default that of the folder)")
	return cmd
}

func runTemplateLink(ctx context.Context, env *Env, o templateLinkOptions) error {
	dir := filepath.Clean(env.abs(o.dir))
	name := o.name
	if name == "" {
		name = filepath.Base(dir)
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%q is not a folder", o.dir)
	}
	if err != nil {
		return fmt.Errorf("link template: %w", err)
	}
	p, err := env.openTemplates(templateFlags{}, templateSources{stackFile: o.stackFile})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Link(ctx, name, dir); err != nil {
		return fmt.Errorf("link template: %w", err)
	}
	return env.resultf("Linked template: %s -> %s", name, o.dir)
}
