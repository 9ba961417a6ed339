package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

type templateUpdateOptions struct {
	pullFlags
	names []string
}

func newTemplateUpdateCmd(env *Env) *cobra.Command {
	o := templateUpdateOptions{}
	cmd := &cobra.Command{
		Use:   "update [NAME...]",
		Short: "Pull pinned templates again and update the lock",
		Long: `Pull pinned templates again from where they came from, all or those named, and
move template.lock to the newest commit of their branch or tag. A line says what
has moved.`,
		Example: "  faas-cli template update\n  faas-cli template update python3-http",
		Args:    anyArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.complete(cmd)
			o.names = args
			return runTemplateUpdate(cmd.Context(), env, o)
		},
	}
	o.register(cmd)
	registerLockYAML(cmd)
	return cmd
}

func runTemplateUpdate(ctx context.Context, env *Env, o templateUpdateOptions) error {
	p, err := env.openPull(o.pullFlags)
	if err != nil {
		return err
	}
	defer p.Close()
	pulled, err := p.Update(ctx, o.options(), o.names...)
	return errors.Join(env.printPulled(o.format, pulled, err == nil), env.gitWords(err))
}
