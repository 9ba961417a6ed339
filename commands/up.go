package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/progress"
	"github.com/faas-cli/faas-cli/stack"
)

type upOptions struct {
	gateway gatewayFlags
	stack   stackFlags
	build   buildFlags
	deploy  deployFlags
	unused  unusedFlags
	format  output.Format

	publish    bool
	platforms  string
	skipPush   bool
	skipDeploy bool
	watch      bool
}

func newUpCmd(env *Env) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Build, push and deploy functions",
		Long: `Build, push and deploy the functions of the stack file. Each function is
deployed as soon as its own image is where the gateway finds it.

Images for the local platform are handed to it under the names of the stack
file, with no login and no request to a registry. For any other gateway they
are pushed where their names say.

With --watch the functions whose files change are brought up again until
Ctrl-C.`,
		Example: `  faas-cli up
  faas-cli up -f hello.yml --wait
  faas-cli up --filter 'api-*' --tag sha --gateway https://gw.example.com
  faas-cli up --publish --platforms linux/amd64,linux/arm64
  faas-cli up --watch`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			o.build.complete(env, cmd)
			o.unused.warn(env, cmd)
			if err := o.validate(); err != nil {
				return err
			}
			return runUp(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.build.register(cmd)
	o.build.remote.register(cmd)
	o.deploy.register(cmd)
	o.unused.register(cmd, "network")
	registerLongFormat(cmd, &o.format)
	f := cmd.Flags()
	f.BoolVar(&o.publish, "publish", false, "build for --platforms and push the result in one step, as publish does")
	registerPlatforms(cmd, &o.platforms, "with --publish: ")
	f.BoolVar(&o.skipPush, "skip-push", false, "do not push the images")
	f.BoolVar(&o.skipDeploy, "skip-deploy", false, "do not deploy the functions")
	f.BoolVar(&o.watch, "watch", false, "bring functions up again when their files change, until Ctrl-C")
	return cmd
}

func (o upOptions) validate() error {
	if o.platforms != "" && !o.publish {
		return usagef("--platforms can only be used with the --publish flag")
	}
	if err := o.build.validate(); err != nil {
		return err
	}
	o.deploy.parallel = o.build.parallel // which is checked
	return o.deploy.validate()
}

// runUp brings the functions up, once or until Ctrl-C.
func runUp(ctx context.Context, env *Env, o upOptions) error {
	o.build.remote = o.build.remote.complete(env)
	if !o.watch {
		return up(ctx, env, o, nil, nil)
	}
	logs := env.newWatchedLogs(ctx)
	defer logs.close()
	return env.watchLoop(ctx, watched{
		stack:  o.stack,
		extras: o.build.extras,
		files:  func(ctx context.Context) (*stack.File, error) { return env.buildStack(ctx, o.stack, o.build) },
		run:    func(ctx context.Context, names []string) error { return up(ctx, env, o, names, logs) },
	})
}

// up is one run, for the named functions or all of them: plan everything, then
// take each function through build, push and deploy. The logs of what is
// deployed are followed, unless logs is nil.
func up(ctx context.Context, env *Env, o upOptions, names []string, logs *watchedLogs) error {
	p, err := env.planUp(ctx, o, names)
	if err != nil {
		return err
	}
	defer p.work.Close() //nolint:errcheck // folders that were read
	if o.build.print {
		err := env.printBuilds(ctx, p.jobs, p.to)
		if o.pushes(p.to) {
			err = errors.Join(env.resultf("%s", p.to.describe()), err)
		}
		return err
	}
	if names == nil && o.sends(p.to) && !o.build.show.silent() { // --watch need not repeat it for every change
		env.progressf("%s", p.to.describe())
	}
	outcomes, err := env.runStages(ctx, o.build.show, p.jobs, p.stages(env, o)...)
	if superseded(ctx) {
		return err
	}
	p.follow(outcomes, logs)
	return errors.Join(env.reportUp(outcomes, o), err)
}

// upPlan is what up is about to do.
type upPlan struct {
	gw   *gateway.Client
	to   buildTarget
	jobs []*job
	work *buildWork // to be closed
}

// planUp works everything out that can be before the first build: what is
// wrong with one function keeps all from being half done.
func (e *Env) planUp(ctx context.Context, o upOptions, names []string) (p upPlan, err error) {
	st, err := e.buildStack(ctx, o.stack, o.build)
	if err != nil {
		return p, err
	}
	if err := only(st, names); err != nil {
		return p, err
	}
	if p.gw, p.to, err = e.upTarget(ctx, o, st.Gateway); err != nil {
		return p, err
	}
	if p.jobs, err = e.planJobs(ctx, st.Functions, o.build.tag); err != nil {
		return p, err
	}
	if p.work, err = e.planBuilds(ctx, o.build, st, p.jobs, p.to); err != nil || o.build.print {
		return p, err
	}
	if o.pushes(p.to) {
		err = checkPrefixes(p.jobs)
	}
	if err == nil && o.deploys() {
		err = p.planDeployments(ctx, e, o, st)
	}
	if err != nil {
		err = errors.Join(err, p.work.Close())
	}
	return p, err
}

// planDeployments works out what is sent to the gateway.
func (p upPlan) planDeployments(ctx context.Context, env *Env, o upOptions, st *stack.File) error {
	namespace := func(inStack string) string { return env.namespaceAt(o.gateway, p.to.target, inStack) }
	plan, err := env.planStack(ctx, st, namespace, o.deploy, env.imageNamer(o.build.tag))
	if err != nil {
		return err
	}
	for i, j := range p.jobs {
		j.deployment = plan[i]
	}
	return nil
}

// stages are those that every function goes through.
func (p upPlan) stages(env *Env, o upOptions) []stage {
	stages := o.build.stages()
	if o.pushes(p.to) {
		stages = append(stages, p.work.pusher().stage(o.build.limit(defaultPushParallel)))
	}
	if o.deploys() {
		stages = append(stages, deployStage(env, p.gw, o.deploy, o.build.limit(defaultParallel)))
	}
	return stages
}

// follow shows the logs of what was deployed.
func (p upPlan) follow(outcomes []outcome, logs *watchedLogs) {
	if logs == nil {
		return
	}
	for i, out := range outcomes {
		if out.Status == "deployed" {
			logs.follow(p.gw, p.jobs[i].deployment)
		}
	}
}

// upTarget is the gateway that functions are deployed to, and what that means
// for where their images go.
func (e *Env) upTarget(ctx context.Context, o upOptions, stackGateway string) (*gateway.Client, buildTarget, error) {
	if o.deploys() && !o.build.print {
		if err := e.offerPlatform(ctx, o.gateway, stackGateway); err != nil {
			return nil, buildTarget{}, err
		}
	}
	gw, t, err := e.gatewayClient(o.gateway, stackGateway)
	if err != nil {
		return nil, buildTarget{}, err
	}
	to, err := e.buildTargetOf(ctx, t, o.build.remote)
	if err != nil {
		return nil, buildTarget{}, err
	}
	if o.publish {
		to.publishing(o.platforms, nil)
	}
	if o.deploys() {
		e.warnPlainHTTP(gw.BaseURL(), o.gateway)
	}
	return gw, to, nil
}

// pushes says whether pushing is a step of its own: the local platform gets its
// images from the build, and so do registries from publish and remote builders.
func (o upOptions) pushes(to buildTarget) bool {
	return !o.skipPush && !o.build.shrinkwrap && !to.local && to.outputs[0].Kind != builder.OutputRegistry
}

// deploys says whether functions are deployed. What --shrinkwrap writes is not
// an image, so that a function is deployed only from one that --skip-push says
// is where the gateway finds it.
func (o upOptions) deploys() bool {
	return !o.skipDeploy && (!o.build.shrinkwrap || o.skipPush)
}

// sends says whether this run brings images anywhere.
func (o upOptions) sends(to buildTarget) bool {
	return !o.build.shrinkwrap && (o.pushes(to) || to.outputs[0].Kind != builder.OutputEngine)
}

// limit is how many jobs a stage takes: what --parallel says, or its own
// number.
func (o buildFlags) limit(own int) int {
	if o.parallelExplicit {
		return o.parallel
	}
	return own
}

// deployStage sends each job's deployment.
func deployStage(env *Env, gw *gateway.Client, f deployFlags, limit int) stage {
	gw = gw.WithTimeout(f.timeout)
	return newStage(limit, func(ctx context.Context, j *job, show *progress.Display, out *outcome) error {
		show.Step(j.fn.Name, "deploying")
		own := *env
		own.Term = show.Terminal(j.fn.Name)
		r, err := own.sendOne(ctx, gw, j.deployment, f, func(text string) { show.Step(j.fn.Name, text) })
		if err != nil {
			return err
		}
		out.Status, out.URL, out.accepted = "deployed", r.URL, gateway.Accepted(r.Status)
		return nil
	})
}

// reportUp prints what became of the functions: for people what deploy says,
// and the table of build where nothing was deployed.
func (e *Env) reportUp(outcomes []outcome, o upOptions) error {
	if !o.deploys() || (o.format != output.Table && o.format != output.Wide) {
		return e.reportOutcomes(outcomes, o.format, o.build.show.metadataFile)
	}
	if o.build.show.metadataFile != "" {
		if err := e.writeMetadata(o.build.show.metadataFile, outcomes); err != nil {
			return err
		}
	}
	for _, out := range outcomes {
		if out.Status != "deployed" {
			continue
		}
		if err := e.resultf("%s: Deployed. %s. (%.2fs)\nURL: %s\n", out.Name, out.accepted, out.Time, out.URL); err != nil {
			return fmt.Errorf("print the result: %w", err)
		}
	}
	return nil
}
