package commands

import (
	"context"

	"github.com/spf13/cobra"
)

type secretRemoveOptions struct {
	gateway gatewayFlags
	format  formatFlags
}

func newSecretRemoveCmd(env *Env) *cobra.Command {
	var o secretRemoveOptions
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove a secret",
		Long:    "Remove a secret. Functions that use it cannot be started any more.",
		Example: "  faas-cli secret remove db-password --namespace dev\n  faas-cli secret remove db-password --output json",
		Args:    exactArgs("the NAME of the secret"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			return runSecretRemove(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.format.register(cmd)
	return cmd
}

func runSecretRemove(ctx context.Context, env *Env, o secretRemoveOptions, name string) error {
	gw, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	namespace := env.namespaceAt(o.gateway, t, "")
	if err := gw.DeleteSecret(ctx, name, namespace); err != nil {
		return err
	}
	return printResult(env, o.format, change{Name: name, Namespace: namespace, Outcome: outcomeRemoved}, name,
		sprintf("Removed: %s", inNamespace(name, namespace)))
}
