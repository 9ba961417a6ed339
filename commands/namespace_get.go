package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

type namespaceGetOptions struct {
	gateway gatewayFlags
	format  formatFlags
}

func newNamespaceGetCmd(env *Env) *cobra.Command {
	var o namespaceGetOptions
	cmd := &cobra.Command{
		Use:     "get NAME",
		Short:   "Describe a namespace",
		Long:    "Show the labels and annotations of a namespace.",
		Example: "  faas-cli namespace get dev\n  faas-cli namespace get dev --output json",
		Args:    exactArgs("the NAME of the namespace"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			return runNamespaceGet(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.format.register(cmd)
	return cmd
}

func runNamespaceGet(ctx context.Context, env *Env, o namespaceGetOptions, name string) error {
	gw, _, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	ns, err := gw.Namespace(ctx, name)
	if err != nil {
		return err
	}
	if o.format.table() {
		text := "Name: " + env.shown(ns.Name) + "\n"
		if len(ns.Labels) > 0 {
			text += describeMap(env, "Labels", ns.Labels)
		}
		if len(ns.Annotations) > 0 {
			text += describeMap(env, "Annotations", ns.Annotations)
		}
		return env.resultf("%s", strings.TrimSuffix(text, "\n"))
	}
	return output.Printer[schema.FunctionNamespace]{
		Format: o.format.format(), Name: func(ns schema.FunctionNamespace) string { return env.shown(ns.Name) },
	}.One(env.Term.Out, ns)
}
