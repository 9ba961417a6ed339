package commands

import (
	"context"

	"github.com/spf13/cobra"
)

type namespaceUpdateOptions struct {
	gateway gatewayFlags
	format  formatFlags
	maps    namespaceMaps
}

func newNamespaceUpdateCmd(env *Env) *cobra.Command {
	var o namespaceUpdateOptions
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Change the labels and annotations of a namespace",
		Long: `Replace the labels and annotations of a namespace by those given, and the mark
that makes it one for functions. What is not given is gone.`,
		Example: "  faas-cli namespace update dev --label team=core\n  faas-cli namespace update dev --output json",
		Args:    exactArgs("the NAME of the namespace"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			return runNamespaceUpdate(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.format.register(cmd)
	o.maps.register(cmd)
	return cmd
}

func runNamespaceUpdate(ctx context.Context, env *Env, o namespaceUpdateOptions, name string) error {
	ns, err := o.maps.namespace(name)
	if err != nil {
		return err
	}
	gw, _, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	env.progressf("Updating Namespace: %s", name)
	status, err := gw.UpdateNamespace(ctx, ns)
	if err != nil {
		return err
	}
	return printResult(env, o.format, change{Name: name, Outcome: outcomeUpdated, Status: int(status)}, name,
		sprintf("Namespace Updated: %s", name))
}
