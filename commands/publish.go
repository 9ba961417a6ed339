package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
)

type publishOptions struct {
	stack  stackFlags
	build  buildFlags
	format output.Format

	platforms string
	extraTags []string
	resetQemu bool
}

func newPublishCmd(env *Env) *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Build images for several platforms and push them",
		Long: `Build the functions of the stack file for one or several platforms and push
each as one image, an index where there are several platforms. The platforms
are those of --platforms, else those that the function names in the stack file,
else linux/amd64.`,
		Example: `  faas-cli publish
  faas-cli publish --platforms linux/amd64,linux/arm64 --extra-tag latest
  faas-cli publish --filter api --tag sha --metadata-file images.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			o.build.complete(env, cmd)
			if err := o.build.validate(); err != nil {
				return err
			}
			return runPublish(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.build.register(cmd)
	o.build.remote.register(cmd)
	registerLongFormat(cmd, &o.format)
	f := cmd.Flags()
	registerPlatforms(cmd, &o.platforms, "")
	listVar(f, &o.extraTags, "extra-tag", "", "further `tag` of the images (repeatable)")
	f.BoolVar(&o.resetQemu, "reset-qemu", false, "without effect: emulators are the container engine's own matter")
	_ = f.MarkHidden("reset-qemu") // the name is constant
	return cmd
}

// runPublish builds and pushes in one stage.
func runPublish(ctx context.Context, env *Env, o publishOptions) error {
	d, err := env.discoverStack(o.stack)
	if err != nil {
		return err
	}
	if len(d.Paths) == 0 && len(d.Candidates) == 0 {
		return usagef("publish needs a stack file: --yaml or -f is required")
	}
	if err := needStack(d); err != nil {
		return err
	}
	if _, single, _ := o.build.single(); single {
		env.warnSingle(d)
	}
	if o.resetQemu {
		env.warnf("--reset-qemu has no effect: set up emulators in the container engine, as with its binfmt image")
	}
	o.build.remote = o.build.remote.complete(env)
	if o.build.remote.url != "" && o.build.pull {
		return usagef("--pull is not supported with --remote-builder")
	}
	st, err := env.loadDiscovered(ctx, o.stack, d)
	if err != nil {
		return err
	}
	t, err := env.resolveTarget(gatewayFlags{}, st.Gateway)
	if err != nil {
		return err
	}
	to := buildTarget{target: t}
	to.publishing(o.platforms, o.extraTags)
	jobs, err := env.planJobs(ctx, st.Functions, o.build.tag)
	if err != nil {
		return err
	}
	if !o.build.shrinkwrap {
		if err := checkPrefixes(jobs); err != nil {
			return err
		}
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
	return errors.Join(env.reportOutcomes(outcomes, o.format, o.build.show.metadataFile), err)
}
