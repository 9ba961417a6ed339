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
  faas-cli remove -f stack.yaml --filter "api-*"`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
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
	cmd.Flags().IntVar(&o.parallel, "parallel", defaultParallel, "remove `n` functions at once")
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
	env.progressf("Deleting: %s", inNamespace(name, namespace))
	if err := gw.Delete(ctx, name, namespace); err != nil {
		return err
	}
	return env.resultf("Removed: %s", inNamespace(name, namespace))
}

func runRemoveStack(ctx context.Context, env *Env, o removeOptions) error {
	if err := checkParallel(o.parallel); err != nil {
		return err
	}
	file, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return err
	}
	gw, t, err := env.gatewayClient(o.gateway, file.Gateway)
	if err != nil {
		return err
	}
	fns := file.Functions
	full := func(i int) (name, namespace string) {
		return fns[i].Name, env.namespaceAt(o.gateway, t, fns[i].Namespace)
	}
	absent := make([]bool, len(fns))
	return inParallel(len(fns), o.parallel, func(i int) error {
		name, namespace := full(i)
		env.progressf("Deleting: %s", inNamespace(name, namespace))
		err := gw.Delete(ctx, name, namespace)
		if errors.Is(err, gateway.ErrNotFound) {
			absent[i] = true
			return nil
		}
		return err
	}, func(i int, err error) {
		name, namespace := full(i)
		switch {
		case absent[i]:
			env.progressf("note: %s was not deployed", inNamespace(name, namespace))
		case err == nil:
			_ = env.resultf("Removed: %s", inNamespace(name, namespace)) // a closed pipe does not undo it
		}
	})
}
