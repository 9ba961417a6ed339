package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/stack"
)

type buildOptions struct {
	stack  stackFlags
	build  buildFlags
	format output.Format
	watch  bool
}

func newBuildCmd(env *Env) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build functions into images",
		Long: `Build the functions of the stack file, or one that the flags describe, into
images. What has not changed since it was last built is not built again.

The engine is chosen for each function, with a line that says why: the native
one needs no container engine and is used for the local platform, with
templates that come with faas-cli or that you trust; everything else is built
by the container engine from the template's Dockerfile. --builder decides it.`,
		Example: `  faas-cli build
  faas-cli build -f hello.yml --filter hello --tag sha
  faas-cli build --image me/fn --handler ./fn --name fn --lang python3-http
  faas-cli build --shrinkwrap`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			o.build.complete(env, cmd)
			if err := o.build.validate(); err != nil {
				return err
			}
			return runBuild(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.build.register(cmd)
	registerLongFormat(cmd, &o.format)
	cmd.Flags().BoolVar(&o.watch, "watch", false, "build functions again when their files change, until Ctrl-C")
	return cmd
}

// runBuild builds the functions, once or until Ctrl-C.
func runBuild(ctx context.Context, env *Env, o buildOptions) error {
	o.build.remote = o.build.remote.complete(env)
	if !o.watch || o.build.print {
		return build(ctx, env, o, nil)
	}
	return env.watchLoop(ctx, watched{
		stack:  o.stack,
		extras: o.build.extras,
		files:  func(ctx context.Context) (*stack.File, error) { return env.buildStack(ctx, o.stack, o.build) },
		run:    func(ctx context.Context, names []string) error { return build(ctx, env, o, names) },
	})
}

// build builds the named functions, or all of them, or only writes or prints
// what it would build.
func build(ctx context.Context, env *Env, o buildOptions, names []string) error {
	st, err := env.buildStack(ctx, o.stack, o.build)
	if err != nil {
		return err
	}
	if err := only(st, names); err != nil {
		return err
	}
	t, err := env.resolveTarget(gatewayFlags{}, st.Gateway)
	if err != nil {
		return err
	}
	to, err := env.buildTargetOf(ctx, t, o.build.remote)
	if err != nil {
		return err
	}
	jobs, err := env.planJobs(ctx, st.Functions, o.build.tag)
	if err != nil {
		return err
	}
	work, err := env.planBuilds(ctx, o.build, st, jobs, to)
	if err != nil {
		return err
	}
	defer work.Close() //nolint:errcheck // folders that were read
	if o.build.print {
		return env.printBuilds(ctx, jobs, to)
	}
	outcomes, err := env.runStages(ctx, o.build.show, jobs, o.build.stages()...)
	if superseded(ctx) {
		return err
	}
	return errors.Join(env.reportOutcomes(outcomes, o.format, o.build.show.metadataFile), err)
}

// stages build, or with --shrinkwrap only write the contexts.
func (o buildFlags) stages() []stage {
	stages := make([]stage, 0, 2)
	if o.listFiles {
		stages = append(stages, listStage(o.parallel))
	}
	if o.shrinkwrap {
		return append(stages, shrinkStage(o.parallel))
	}
	return append(stages, buildStage(o.parallel))
}

// buildStack reads the stack file of a command that builds, or makes one of
// the flags that describe a single function. Those win over a stack file that
// was only found; beside one that was named they are a mistake (KB-18).
func (e *Env) buildStack(ctx context.Context, f stackFlags, b buildFlags) (*stack.File, error) {
	fn, single, err := b.single()
	d, discoverErr := e.discoverStack(f)
	switch {
	case single && f.explicit && len(d.Paths) > 0:
		return nil, usagef("--image, --handler, --name and --lang describe a function without a stack file, but -f names one")
	case single && err != nil && (discoverErr != nil || len(d.Paths) == 0 || b.image != "" && b.name != ""):
		return nil, err
	case single && err == nil:
		return &stack.File{Paths: []string{""}, Functions: []stack.Function{fn}}, nil
	case discoverErr != nil:
		return nil, discoverErr
	case len(d.Paths) == 0 && len(d.Candidates) == 0:
		return nil, withHint(errors.New("no stack file is here and no --image, --handler and --name describe a function"),
			"create one with faas-cli new, or name one with -f")
	}
	if err := needStack(d); err != nil {
		return nil, err
	}
	if single {
		e.warnSingle(d)
	}
	return e.loadDiscovered(ctx, f, d)
}

// warnSingle says that the flags which describe a function without a stack file
// are not used, as there is one.
func (e *Env) warnSingle(d stack.Discovered) {
	e.warnf("--image, --handler, --name and --lang have no effect on the functions of %s", strings.Join(d.Paths, ", "))
}

// printBuilds prints what would be built, and returns what keeps it from that.
func (e *Env) printBuilds(ctx context.Context, jobs []*job, to buildTarget) error {
	errs := []error{printJobs(e.Term.Out, jobs, to)}
	for _, j := range jobs {
		errs = append(errs, j.err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return refuse(ctx, jobs)
}

// platformList lists platforms for people.
func platformList(platforms []builder.Platform) string {
	names := make([]string, len(platforms))
	for i, p := range platforms {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

// printJobs says what would be built, with what and why. Values of build
// arguments may be secret, so only their names are shown.
func printJobs(w io.Writer, jobs []*job, to buildTarget) error {
	var b strings.Builder
	for _, j := range jobs {
		switch {
		case j.skip:
			fmt.Fprintf(&b, "%s: not built (skip_build)\n", j.fn.Name)
		case j.err != nil:
			fmt.Fprintf(&b, "%s: cannot be built\n", j.fn.Name)
		default:
			fmt.Fprintf(&b, "%s: build %s\n", j.fn.Name, j.image)
			fmt.Fprintf(&b, "  template:  %s\n", j.fn.Language)
			fmt.Fprintf(&b, "  handler:   %s\n", j.fn.Handler)
			if j.choice.engine != nil {
				fmt.Fprintf(&b, "  engine:    %s (%s)\n", j.choice.caps.Name, j.choice.why)
			}
			if len(j.request.Platforms) > 0 {
				fmt.Fprintf(&b, "  platforms: %s\n", platformList(j.request.Platforms))
			}
			if len(j.request.ExtraTags) > 0 {
				fmt.Fprintf(&b, "  tags:      %s\n", strings.Join(j.request.ExtraTags, ", "))
			}
			if args := slices.Sorted(maps.Keys(j.request.Args)); len(args) > 0 {
				fmt.Fprintf(&b, "  arguments: %s\n", strings.Join(args, ", "))
			}
			for _, o := range j.request.Outputs {
				fmt.Fprintf(&b, "  output:    %s\n", to.whereTo(j, o))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
