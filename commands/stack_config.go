package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/stack"
)

type stackConfigOptions struct {
	stack   stackFlags
	tag     stack.TagFormat
	resolve bool
	origin  bool
	format  output.Format
}

func newStackConfigCmd(env *Env) *cobra.Command {
	o := stackConfigOptions{format: output.YAML}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the stack file as commands see it",
		Long: `Print the stack file as commands see it: overlays merged, variables replaced,
anchors and merge keys resolved, only the functions that --filter or --regex
select. It may show secrets that variables hold.`,
		Example: `  faas-cli stack config
  faas-cli stack config --env-name prod --origin
  faas-cli stack config --resolve --tag sha --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			return runStackConfig(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.resolve, "resolve", false, "add the process of the template, the environment files and the image's tag")
	f.BoolVar(&o.origin, "origin", false, "say which file and line each value comes from")
	f.Var(&o.tag, "tag", "with --resolve: tag images by `format`: latest (as they are), sha, branch, describe or digest")
	choiceVar(f, &o.format, "output", "o", formatUsage, output.YAML, output.JSON, output.Name)
	return cmd
}

func runStackConfig(ctx context.Context, env *Env, o stackConfigOptions) error {
	f, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return err
	}
	if o.format == output.Name {
		for _, fn := range f.Functions {
			if err := env.resultf("%s", fn.Name); err != nil {
				return err
			}
		}
		return nil
	}
	var resolve func(*stack.Function) (stack.Resolved, error)
	if o.resolve {
		var done func()
		resolve, done = env.resolver(ctx, f, o.tag)
		defer done()
	}
	node, err := f.Effective(resolve, o.origin)
	if err != nil {
		return err
	}
	if o.format == output.JSON {
		if o.origin {
			return output.WriteJSON(env.Term.Out, stack.Origins(node))
		}
		text, err := stack.EncodeJSON(node)
		if err != nil {
			return err
		}
		_, err = env.Term.Out.Write(text)
		return err
	}
	text, err := stack.EncodeYAML(node)
	if err != nil {
		return err
	}
	_, err = env.Term.Out.Write(text)
	return err
}

// resolver completes functions as deploy does. The caller closes it when all
// are done.
func (e *Env) resolver(ctx context.Context, f *stack.File, tag stack.TagFormat) (resolve func(*stack.Function) (stack.Resolved, error), done func()) {
	image := e.imageNamer(tag)
	processes := &templateProcesses{env: e, file: f}
	return func(fn *stack.Function) (stack.Resolved, error) {
		var r stack.Resolved
		var errs [3]error
		if fn.Image != "" {
			r.Image, errs[0] = image(ctx, fn)
		}
		r.Environment, errs[1] = fn.Environ(e.Dir)
		r.FProcess, errs[2] = processes.of(fn)
		return r, errors.Join(errs[:]...)
	}, processes.close
}
