package commands

import (
	"context"

	"github.com/spf13/cobra"
)

type namespaceUpdateOptions struct {
	gateway gatewayFlags
	maps    namespaceMaps
}

func newNamespaceUpdateCmd(env *Env) *cobra.Command {
	var o namespaceUpdateOptions
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Change the labels and annotations of a namespace",
		Long: `Replace the labels and annotations of a namespace by those given, and the mark
that makes it one for functions. What is not given is gone.`,
		Example: "  faas-cli namespace update dev --label team=core",
		Args:    exactArgs("the NAME of the namespace"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			return runNamespaceUpdate(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
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
	if _, err := gw.UpdateNamespace(ctx, ns); err != nil {
		return err
	}
	return env.resultf("Namespace Updated: %s", name)
}
