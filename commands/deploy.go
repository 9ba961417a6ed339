package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

type deployOptions struct {
	gateway gatewayFlags
	stack   stackFlags
	deploy  deployFlags
	format  formatFlags
	unused  unusedFlags
	tag     stack.TagFormat
	image   string
	name    string
	dryRun  bool
}

func newDeployCmd(env *Env) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Deploy functions",
		Long: `Deploy the functions of the stack file that --filter or --regex leave or, with
--image and --name, a single image without a stack file.

A function that exists is updated by rolling update, any other is created. All
functions are checked before the first is sent; then several are sent at once,
and all are tried, also when one fails.`,
		Example: `  faas-cli deploy
  faas-cli deploy -f stack.yaml --filter 'api-*' --tag sha --wait
  faas-cli deploy --image ghcr.io/openfaas/figlet:latest --name figlet
  faas-cli deploy --dry-run --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			o.unused.warn(env, cmd)
			return runDeploy(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.deploy.register(cmd)
	o.format.register(cmd)
	o.unused.register(cmd, "network", "handler", "lang")
	f := cmd.Flags()
	f.StringVar(&o.image, "image", "", "deploy this `image`, taken as it is (with --name)")
	f.StringVar(&o.name, "name", "", "`name` of the function (with --image)")
	registerTag(cmd, &o.tag)
	f.IntVar(&o.deploy.parallel, "parallel", defaultParallel, "send up to `n` functions at once")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the requests and send nothing; values of variables that look secret are left out")
	return cmd
}

func (o deployOptions) validate() error {
	if err := o.deploy.validate(); err != nil {
		return err
	}
	switch {
	case o.image == "" && o.name == "":
		return nil
	case o.image == "" || o.name == "":
		return usagef("to deploy an image give both --image and --name, or a stack file with -f")
	case len(o.stack.files) > 0:
		return usagef("give -f, or --image and --name, not both")
	}
	return nil
}

func runDeploy(ctx context.Context, env *Env, o deployOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	gw, plan, err := planDeploy(ctx, env, o)
	if err != nil {
		return err
	}
	if o.dryRun {
		return env.showPlan(gw, plan, o.deploy, o.format.format())
	}
	env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	return env.sendPlan(ctx, gw, plan, o.deploy, o.format.format())
}

// planDeploy says what is to be deployed, and where. Nothing is sent yet.
func planDeploy(ctx context.Context, env *Env, o deployOptions) (*gateway.Client, []schema.FunctionDeployment, error) {
	var file *stack.File
	if o.image == "" {
		var err error
		if file, err = env.requireStack(ctx, o.stack); err != nil {
			return nil, nil, orWithout(err, "--image and --name")
		}
	}
	gw, t, err := env.gatewayClient(o.gateway, gatewayOf(file))
	if err != nil {
		return nil, nil, err
	}
	namespace := func(inStack string) string { return env.namespaceAt(o.gateway, t, inStack) }
	if file == nil {
		d, err := planImage(o.name, o.image, namespace(""), o.deploy)
		return gw, []schema.FunctionDeployment{d}, err
	}
	plan, err := env.planStack(ctx, file, namespace, o.deploy, env.imageNamer(o.tag))
	return gw, plan, err
}
