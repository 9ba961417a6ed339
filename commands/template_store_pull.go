package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/templates"
)

type templateStorePullOptions struct {
	pullFlags
	store templateStoreFlags
	name  string
	all   bool
}

func newTemplateStorePullCmd(env *Env) *cobra.Command {
	o := templateStorePullOptions{}
	cmd := &cobra.Command{
		Use:   "pull NAME[@REF]",
		Short: "Pull a template of the store",
		Long: `Pull a template of the store into ./template and pin it in template.lock. NAME
may be SOURCE/NAME where several sources have one of that name. The other
templates of its repository are left alone, unless --all.`,
		Example: "  faas-cli template store pull python3-http\n  faas-cli template store pull openfaas/golang-middleware\n  faas-cli template store pull golang-http@0.9.0",
		Args:    exactArgs("the name of a template"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			o.complete(cmd)
			return runTemplateStorePull(cmd.Context(), env, o)
		},
	}
	o.store.registerURL(cmd)
	o.register(cmd)
	registerLockYAML(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "pull all templates of the repository")
	return cmd
}

func runTemplateStorePull(ctx context.Context, env *Env, o templateStorePullOptions) error {
	p, err := env.openPull(o.pullFlags)
	if err != nil {
		return err
	}
	defer p.Close()
	p.Stores = env.templateStores(o.store.urls, p.Fetcher.Cache, o.templates.offline, storeTimeout)
	src, want, err := p.StoreSource(ctx, o.name, env.templateRepository)
	if err != nil {
		return err
	}
	req := templates.Request{Source: src, Wants: []templates.Want{want}}
	if o.all {
		req.Wants = nil
	}
	return env.pullTemplates(ctx, o.pullFlags, p, []templates.Request{req})
}
