package commands

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

type listOptions struct {
	gateway       gatewayFlags
	stack         stackFlags
	format        formatFlags
	quiet         bool
	verbose       bool
	sort          string
	allNamespaces bool
}

func newListCmd(env *Env) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List deployed functions",
		Long:    "List the functions deployed in a namespace, by name unless --sort says\notherwise.",
		Example: `  faas-cli list
  faas-cli list --all-namespaces --sort invocations
  faas-cli list --namespace dev --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			return runList(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.format.register(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print names only, same as --output name")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "add images and times of creation, same as --output wide")
	f.StringVar(&o.sort, "sort", sortName, "sort by `key`: name, invocations (most first), creation (oldest first), none (as the gateway lists them)")
	f.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "list the functions of every namespace")
	return cmd
}

// What --sort understands. Anything else leaves the server's order, as none.
const (
	sortName        = "name"
	sortInvocations = "invocations"
	sortCreation    = "creation"
)

func (o listOptions) validate() error {
	if o.allNamespaces && o.gateway.namespace != "" {
		return usagef("give --namespace or --all-namespaces, not both")
	}
	return nil
}

// outputFormat: JSON wins over quiet, which wins over verbose.
func (o listOptions) outputFormat() output.Format {
	switch f := o.format.format(); {
	case f != output.Table:
		return f
	case o.quiet:
		return output.Name
	case o.verbose:
		return output.Wide
	default:
		return f
	}
}

func runList(ctx context.Context, env *Env, o listOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	gw, namespaceOf, err := env.stackGatewayClient(ctx, o.gateway, o.stack)
	if err != nil {
		return err
	}
	format := o.outputFormat()
	if format == output.JSON || format == output.YAML {
		list, err := listFunctions(ctx, gw, gw.Functions, o.allNamespaces, namespaceOf(""))
		if err != nil {
			return err
		}
		sortFunctions(list, o.sort, func(fn schema.FunctionStatus) gateway.Summary {
			return gateway.Summary{
				Name: fn.Name, Namespace: fn.Namespace, InvocationCount: fn.InvocationCount, CreatedAt: fn.CreatedAt,
			}
		})
		return output.Printer[schema.FunctionStatus]{Format: format}.List(env.Term.Out, list)
	}
	list, err := listFunctions(ctx, gw, gw.Summaries, o.allNamespaces, namespaceOf(""))
	if err != nil {
		return err
	}
	sortFunctions(list, o.sort, func(fn gateway.Summary) gateway.Summary { return fn })
	return listPrinter(env, format, o.allNamespaces).List(env.Term.Out, list)
}

// listFunctions lists the functions of one namespace or of all.
func listFunctions[T any](
	ctx context.Context, gw *gateway.Client, list func(ctx context.Context, namespace string) ([]T, error), all bool, namespace string,
) ([]T, error) {
	if !all {
		return list(ctx, namespace)
	}
	namespaces, err := gw.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	lists := make([][]T, len(namespaces))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(defaultParallel)
	for i, ns := range namespaces {
		g.Go(func() (err error) {
			lists[i], err = list(ctx, ns)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(lists...), nil
}

// sortFunctions puts functions in order; those that are equal by the key come
// by name.
func sortFunctions[T any](list []T, by string, of func(T) gateway.Summary) {
	var compare func(a, b gateway.Summary) int
	switch by {
	case sortName:
		compare = func(gateway.Summary, gateway.Summary) int { return 0 }
	case sortInvocations:
		compare = func(a, b gateway.Summary) int { return cmp.Compare(b.InvocationCount, a.InvocationCount) }
	case sortCreation:
		compare = func(a, b gateway.Summary) int { return a.CreatedAt.Compare(b.CreatedAt) }
	default:
		return
	}
	slices.SortStableFunc(list, func(x, y T) int {
		a, b := of(x), of(y)
		return cmp.Or(compare(a, b), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
}

func listPrinter(env *Env, format output.Format, namespaces bool) output.Printer[gateway.Summary] {
	name := func(fn gateway.Summary) string { return env.shown(fn.Name) }
	columns := []output.Column[gateway.Summary]{
		{Header: "Function", Value: name},
		{Header: "Image", Wide: true, Value: func(fn gateway.Summary) string { return env.shown(fn.Image) }},
		{Header: "Invocations", Value: func(fn gateway.Summary) string {
			return strconv.FormatFloat(fn.InvocationCount, 'f', 0, 64)
		}},
		{Header: "Replicas", Value: func(fn gateway.Summary) string { return strconv.FormatUint(fn.Replicas, 10) }},
		{Header: "CreatedAt", Wide: true, Value: func(fn gateway.Summary) string { return fn.CreatedAt.String() }},
	}
	if namespaces {
		columns = slices.Insert(columns, 1, output.Column[gateway.Summary]{
			Header: "Namespace", Value: func(fn gateway.Summary) string { return env.shown(fn.Namespace) },
		})
	}
	return output.Printer[gateway.Summary]{Format: format, Name: name, Columns: columns}
}
