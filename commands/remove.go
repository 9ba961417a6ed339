package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
)

type removeOptions struct {
	gateway  gatewayFlags
	stack    stackFlags
	format   formatFlags
	parallel int
}

func newRemoveCmd(env *Env) *cobra.Command {
	var o removeOptions
	cmd := &cobra.Command{
		Use:     "remove [NAME]",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove deployed functions",
		Long: `Remove the function NAME or, without one, all functions of the stack file that
--filter or --regex leave. All are tried, also when one fails. Those of a stack
file that are not deployed are no error.`,
		Example: `  faas-cli remove hello
  faas-cli remove -f stack.yaml --filter 'api-*'
  faas-cli remove --output json`,
		Args: optionalArg("the NAME of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			if err := checkParallel(o.parallel); err != nil {
				return err
			}
			if len(args) == 1 {
				return runRemoveNamed(cmd.Context(), env, o, args[0])
			}
			return runRemoveStack(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.format.register(cmd)
	cmd.Flags().IntVar(&o.parallel, "parallel", defaultParallel, "remove up to `n` functions at once")
	return cmd
}

// runRemoveNamed removes one function, whose gateway and namespace the stack
// file may know (KB-19). A broken stack file that nobody asked for does not
// stand in the way.
func runRemoveNamed(ctx context.Context, env *Env, o removeOptions, name string) error {
	file, err := env.peekStack(ctx, o.stack)
	if err != nil && o.stack.explicit {
		return err
	}
	if err != nil {
		env.warnf("the stack file is not used: %v", err)
		file = nil
	}
	gw, t, err := env.gatewayClient(o.gateway, gatewayOf(file))
	if err != nil {
		return err
	}
	namespace := env.namespaceAt(o.gateway, t, stackNamespace(file, name))
	return removeAll(ctx, env, o, gw, []change{{Name: name, Namespace: namespace}}, false)
}

func runRemoveStack(ctx context.Context, env *Env, o removeOptions) error {
	file, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return orWithout(err, "the NAME of a function")
	}
	gw, t, err := env.gatewayClient(o.gateway, file.Gateway)
	if err != nil {
		return err
	}
	fns := make([]change, len(file.Functions))
	for i, fn := range file.Functions {
		fns[i] = change{Name: fn.Name, Namespace: env.namespaceAt(o.gateway, t, fn.Namespace)}
	}
	return removeAll(ctx, env, o, gw, fns, true)
}

// removeAll removes functions, several at once, and prints what became of each
// in their order. absentOK says that one that is not deployed is no error.
func removeAll(ctx context.Context, env *Env, o removeOptions, gw *gateway.Client, fns []change, absentOK bool) error {
	err := inParallel(len(fns), o.parallel, func(i int) error {
		fn := &fns[i]
		env.progressf("Deleting: %s", inNamespace(fn.Name, fn.Namespace))
		err := gw.Delete(ctx, fn.Name, fn.Namespace)
		if fn.Outcome = outcomeRemoved; absentOK && errors.Is(err, gateway.ErrNotFound) {
			fn.Outcome, err = outcomeAbsent, nil
		}
		return err
	}, func(i int, err error) {
		full := inNamespace(fns[i].Name, fns[i].Namespace)
		switch {
		case err != nil:
			fns[i] = fns[i].failed(err)
		case fns[i].Outcome == outcomeAbsent:
			env.progressf("note: %s was not deployed", full)
		case o.format.table():
			_ = env.resultf("Removed: %s", full) // a closed pipe does not undo it
		}
	})
	return errors.Join(err, printChanges(env, o.format, fns))
}
