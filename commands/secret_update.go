package commands

import (
	"context"

	"github.com/spf13/cobra"
)

type secretUpdateOptions struct {
	gateway gatewayFlags
	source  secretSource
	format  formatFlags
}

func newSecretUpdateCmd(env *Env) *cobra.Command {
	var o secretUpdateOptions
	cmd := &cobra.Command{
		Use:     "update NAME",
		Aliases: []string{"u"},
		Short:   "Give a secret a new value",
		Long: `Give a secret a new value, from --from-file, from --from-literal or, without
either, from standard input. Functions that run already may have to be
restarted to see it.`,
		Example: "  faas-cli secret update db-password --from-file ./password.txt\n  echo s3cret | faas-cli secret update db-password --output json",
		Args:    exactArgs("the NAME of the secret"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.source.complete(cmd)
			return runSecretUpdate(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.source.register(cmd)
	o.format.register(cmd)
	return cmd
}

func runSecretUpdate(ctx context.Context, env *Env, o secretUpdateOptions, name string) error {
	gw, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	secret, err := o.source.read(ctx, env, name, env.namespaceAt(o.gateway, t, ""))
	if err != nil {
		return err
	}
	env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	env.progressf("Updating secret: %s", inNamespace(name, secret.Namespace))
	status, err := gw.UpdateSecret(ctx, secret)
	if err != nil {
		return err
	}
	return printResult(env, o.format,
		change{Name: name, Namespace: secret.Namespace, Outcome: outcomeUpdated, Status: int(status)}, name,
		sprintf("Updated: %s", status))
}
