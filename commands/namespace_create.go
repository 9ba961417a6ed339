package commands

import (
	"context"

	"github.com/spf13/cobra"
)

type namespaceCreateOptions struct {
	gateway gatewayFlags
	format  formatFlags
	maps    namespaceMaps
}

func newNamespaceCreateCmd(env *Env) *cobra.Command {
	var o namespaceCreateOptions
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create a namespace",
		Long:    "Create a namespace and mark it as one for functions.",
		Example: "  faas-cli namespace create dev --label team=core\n  faas-cli namespace create dev --output json",
		Args:    exactArgs("the NAME of the namespace"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			return runNamespaceCreate(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.format.register(cmd)
	o.maps.register(cmd)
	return cmd
}

func runNamespaceCreate(ctx context.Context, env *Env, o namespaceCreateOptions, name string) error {
	ns, err := o.maps.namespace(name)
	if err != nil {
		return err
	}
	gw, _, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	env.progressf("Creating Namespace: %s", name)
	status, err := gw.CreateNamespace(ctx, ns)
	if err != nil {
		return err
	}
	return printResult(env, o.format, change{Name: name, Outcome: outcomeCreated, Status: int(status)}, name,
		sprintf("Namespace Created: %s", name))
}
