package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
)

type secretCreateOptions struct {
	gateway gatewayFlags
	source  secretSource
	format  formatFlags
	replace bool
}

func newSecretCreateCmd(env *Env) *cobra.Command {
	var o secretCreateOptions
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a secret",
		Long: `Create a secret. Its value comes from --from-file, from --from-literal or,
without either, from standard input. It is sent as text if it is UTF-8, else as
bytes.`,
		Example: `  faas-cli secret create db-password --from-file ./password.txt
  faas-cli secret generate | faas-cli secret create session-key
  faas-cli secret create api-key --from-file key.bin --trim=false --replace
  faas-cli secret create db-password --from-file ./password.txt --output json`,
		Args: exactArgs("the NAME of the secret"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.source.complete(cmd)
			return runSecretCreate(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.source.register(cmd)
	o.format.register(cmd)
	cmd.Flags().BoolVar(&o.replace, "replace", false, "update the secret if it exists")
	return cmd
}

func runSecretCreate(ctx context.Context, env *Env, o secretCreateOptions, name string) error {
	if err := checkSecretName(name); err != nil {
		return &UsageError{Err: err}
	}
	gw, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	secret, err := o.source.read(ctx, env, name, env.namespaceAt(o.gateway, t, ""))
	if err != nil {
		return err
	}
	env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	env.progressf("Creating secret: %s", inNamespace(name, secret.Namespace))
	outcome, verb := outcomeCreated, "Created"
	status, err := gw.CreateSecret(ctx, secret)
	if o.replace && errors.Is(err, gateway.ErrConflict) {
		outcome, verb = outcomeUpdated, "Updated"
		status, err = gw.UpdateSecret(ctx, secret)
	}
	if errors.Is(err, gateway.ErrConflict) {
		return withHint(err, "--replace updates a secret that exists")
	}
	if err != nil {
		return err
	}
	return printResult(env, o.format,
		change{Name: name, Namespace: secret.Namespace, Outcome: outcome, Status: int(status)}, name,
		sprintf("%s: %s", verb, status))
}
