package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
)

type namespaceListOptions struct {
	gateway gatewayFlags
	format  formatFlags
}

func newNamespaceListCmd(env *Env) *cobra.Command {
	var o namespaceListOptions
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List namespaces",
		Long:    "List the namespaces that functions can be deployed to.",
		Example: "  faas-cli namespace list\n  faas-cli namespace list --output name",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			return runNamespaceList(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.format.register(cmd)
	return cmd
}

func runNamespaceList(ctx context.Context, env *Env, o namespaceListOptions) error {
	gw, _, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	namespaces, err := gw.Namespaces(ctx)
	if err != nil {
		return err
	}
	if o.format.table() {
		text := "Namespaces:\n"
		for _, ns := range namespaces {
			text += " - " + env.shown(ns) + "\n"
		}
		return env.resultf("%s", strings.TrimSuffix(text, "\n"))
	}
	return output.Printer[string]{
		Format: o.format.format(), Name: env.shown,
	}.List(env.Term.Out, namespaces)
}
