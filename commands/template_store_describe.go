package commands

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

type templateStoreDescribeOptions struct {
	store  templateStoreFlags
	name   string
	format formatFlags
}

func newTemplateStoreDescribeCmd(env *Env) *cobra.Command {
	o := templateStoreDescribeOptions{}
	cmd := &cobra.Command{
		Use:     "describe NAME",
		Short:   "Show what a store says about a template",
		Long:    "Show what a store says about a template, named by NAME or SOURCE/NAME.",
		Example: "  faas-cli template store describe golang-middleware\n  faas-cli template store describe openfaas/python3-http --output json",
		Args:    exactArgs("the name of a template"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runTemplateStoreDescribe(cmd.Context(), env, o)
		},
	}
	o.store.registerURL(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.store.offline, "offline", false, "show what the store had when it was last asked")
	o.format.register(cmd)
	return cmd
}

func runTemplateStoreDescribe(ctx context.Context, env *Env, o templateStoreDescribeOptions) error {
	cache, clean, err := env.templateCache()
	if err != nil {
		return err
	}
	defer func() { _ = clean() }()
	entry, _, err := env.templateStores(o.store.urls, cache, o.store.offline, storeTimeout).Lookup(ctx, o.name)
	if err != nil {
		return err
	}
	if !o.format.table() {
		return templateStorePrinter(env, o.format.format()).One(env.Term.Out, entry)
	}
	var b strings.Builder
	b.WriteString("\n")
	for _, line := range [][2]string{
		{"Name", entry.Template}, {"Description", entry.Description}, {"Language", entry.Language}, {"Source", entry.Source},
		{"Repository", entry.Repo}, {"Platform", entry.Platform},
		{"Official", checkbox(entry.Official == "true")}, {"Recommended", checkbox(entry.Recommended)},
	} {
		fmt.Fprintf(&b, "%-12s %s\n", line[0]+":", env.shown(line[1]))
	}
	b.WriteString("\n")
	_, err = io.WriteString(env.Term.Out, b.String())
	return err
}
