package commands

import (
	"context"

	"github.com/spf13/cobra"
)

type namespaceRemoveOptions struct {
	gateway gatewayFlags
	format  formatFlags
}

func newNamespaceRemoveCmd(env *Env) *cobra.Command {
	var o namespaceRemoveOptions
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove a namespace",
		Long:    "Remove a namespace with all functions and secrets in it.",
		Example: "  faas-cli namespace remove dev\n  faas-cli namespace remove dev --output json",
		Args:    exactArgs("the NAME of the namespace"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			return runNamespaceRemove(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.format.register(cmd)
	return cmd
}

func runNamespaceRemove(ctx context.Context, env *Env, o namespaceRemoveOptions, name string) error {
	gw, _, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	env.progressf("Deleting Namespace: %s", name)
	status, err := gw.DeleteNamespace(ctx, name)
	if err != nil {
		return err
	}
	return printResult(env, o.format, change{Name: name, Outcome: outcomeRemoved, Status: int(status)}, name,
		sprintf("Namespace Removed: %s", name))
}
