package commands

import (
	"context"
	"fmt"
	"maps"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/schema"
)

type storeDeployOptions struct {
	store   *storeFlags
	gateway gatewayFlags
	deploy  deployFlags
	format  formatFlags
	from    string // name or title in the store
	name    string
}

func newStoreDeployCmd(env *Env, store *storeFlags) *cobra.Command {
	o := storeDeployOptions{store: store}
	cmd := &cobra.Command{
		Use:   "deploy NAME",
		Short: "Deploy a function of the store",
		Long: `Deploy a function of the store, given by its name or its title. Flags win over
what the store says.`,
		Example: `  faas-cli store deploy figlet
  faas-cli store deploy nodeinfo --name info --env verbose=true --namespace dev`,
		Args: exactArgs("the NAME or title of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.store.complete(cmd)
			o.from = args[0]
			return runStoreDeploy(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerNamespace(cmd)
	o.deploy.registerShared(cmd)
	o.deploy.parallel = 1
	o.format.register(cmd)
	cmd.Flags().StringVar(&o.name, "name", "", "deploy it under this `name`")
	return cmd
}

func runStoreDeploy(ctx context.Context, env *Env, o storeDeployOptions) error {
	if err := o.deploy.validate(); err != nil {
		return err
	}
	if _, err := o.deploy.pairs(); err != nil { // before the store is asked
		return err
	}
	fn, err := env.storeFunction(ctx, *o.store, o.from)
	if err != nil {
		return err
	}
	gw, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	d, err := planStoreFunction(fn, o, env.namespaceAt(o.gateway, t, ""))
	if err != nil {
		return err
	}
	env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	return env.sendPlan(ctx, gw, []schema.FunctionDeployment{d}, o.deploy, o.format.format())
}

// planStoreFunction is the deployment of a function of the store.
func planStoreFunction(fn schema.FunctionStoreEntry, o storeDeployOptions, namespace string) (schema.FunctionDeployment, error) {
	name := o.name
	if name == "" {
		name = fn.Name
	}
	d, err := planImage(name, functionstore.Image(fn, o.store.platform), namespace, o.deploy)
	if err != nil {
		return d, fmt.Errorf("function %q of the store: %w", fn.Name, err)
	}
	d.EnvProcess = fn.FProcess
	d.EnvVars = merged(fn.Environment, d.EnvVars)
	d.Labels = merged(fn.Labels, d.Labels)
	d.Annotations = merged(fn.Annotations, d.Annotations)
	d.ReadOnlyRootFilesystem = d.ReadOnlyRootFilesystem || fn.ReadOnlyRootFilesystem
	return d, nil
}

// merged returns a map with the pairs of both, over's where both have a key.
func merged(base, over map[string]string) map[string]string {
	m := map[string]string{}
	maps.Copy(m, base)
	maps.Copy(m, over)
	return m
}
