package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

type secretListOptions struct {
	gateway gatewayFlags
	format  formatFlags
}

func newSecretListCmd(env *Env) *cobra.Command {
	var o secretListOptions
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the names of secrets",
		Long:    "List the secrets of a namespace: their names, never their values.",
		Example: "  faas-cli secret list\n  faas-cli secret list --namespace dev --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			return runSecretList(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.format.register(cmd)
	return cmd
}

func runSecretList(ctx context.Context, env *Env, o secretListOptions) error {
	gw, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	if o.format.table() {
		env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	}
	secrets, err := gw.Secrets(ctx, env.namespaceAt(o.gateway, t, ""))
	if err != nil {
		return err
	}
	if len(secrets) == 0 && o.format.table() {
		return env.resultf("No secrets found.")
	}
	name := func(s schema.Secret) string { return env.shown(s.Name) }
	return output.Printer[schema.Secret]{
		Format: o.format.format(), Name: name,
		Columns: []output.Column[schema.Secret]{
			{Header: "NAME", Value: name},
			{Header: "NAMESPACE", Wide: true, Value: func(s schema.Secret) string { return env.shown(s.Namespace) }},
		},
	}.List(env.Term.Out, secrets)
}
