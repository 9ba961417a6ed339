package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

type stackAddOptions struct {
	files []string // -f
	name  string
	fn    schema.Function

	env, labels, annotations, constraints []string
	resources                             resourceFlags
	gateway                               gatewayFlags
}

func newStackAddCmd(env *Env) *cobra.Command {
	o := stackAddOptions{}
	cmd := &cobra.Command{
		Use:   "add NAME --image IMAGE",
		Short: "Add a function that exists to the stack file",
		Long: `Add a function to the stack file, without a new handler: code that is there
already, or a prebuilt image. It goes where faas-cli new would put it.`,
		Example: `  faas-cli stack add api --lang golang-middleware --handler ./api --image ghcr.io/me/api
  faas-cli stack add figlet --image ghcr.io/openfaas/figlet:latest --label team=core`,
		Args: exactArgs("a name for the function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			o.gateway.complete(cmd)
			return runStackAdd(cmd.Context(), env, o)
		},
	}
	registerYAML(cmd, &o.files, "stack `file` to add the function to; '' for a new one")
	f := cmd.Flags()
	f.StringVar(&o.fn.Image, "image", "", "image `reference`")
	f.StringVar(&o.fn.Language, "lang", "", "`template`; without one the image is taken as prebuilt")
	f.StringVar(&o.fn.Handler, "handler", "", "`folder` of the code (default ./NAME with --lang)")
	f.StringVar(&o.fn.FProcess, "fprocess", "", "`command` that the watchdog runs")
	f.StringVarP(&o.fn.Namespace, "namespace", "n", "", "`namespace` of the function")
	listVar(f, &o.env, "env", "e", "environment variable `KEY=VALUE` (repeatable)")
	listVar(f, &o.labels, "label", "l", "label `KEY=VALUE` (repeatable)")
	listVar(f, &o.annotations, "annotation", "", "annotation `KEY=VALUE` (repeatable)")
	listVar(f, &o.fn.Secrets, "secret", "", "`name` of a secret that the function may read (repeatable)")
	listVar(f, &o.constraints, "constraint", "", "placement `constraint` (repeatable)")
	f.BoolVar(&o.fn.ReadOnlyRootFilesystem, "readonly", false, "make the root file system read-only")
	o.resources.register(cmd)
	f.StringVarP(&o.gateway.url, "gateway", "g", defaultGateway, "`URL` of the gateway, written into a new stack file")
	return cmd
}

// function is what the flags say.
func (o stackAddOptions) function() (schema.Function, error) {
	fn := o.fn
	if fn.Image == "" {
		return fn, usagef("give an image with --image")
	}
	if fn.Language == "" {
		fn.SkipBuild = true
	} else if fn.Handler == "" {
		fn.Handler = "./" + o.name
	}
	for _, x := range []struct {
		what  string
		pairs []string
		set   func(map[string]string)
	}{
		{"env", o.env, func(m map[string]string) { fn.Environment = m }},
		{"label", o.labels, func(m map[string]string) { fn.Labels = &m }},
		{"annotation", o.annotations, func(m map[string]string) { fn.Annotations = &m }},
	} {
		m, err := stack.ParsePairs(x.what, x.pairs)
		if err != nil {
			return fn, &UsageError{Err: err}
		}
		if len(m) > 0 {
			x.set(m)
		}
	}
	if len(o.constraints) > 0 {
		fn.Constraints = &o.constraints
	}
	fn.Limits, fn.Requests = o.resources.stackLimits(), o.resources.stackRequests()
	return fn, nil
}

func runStackAdd(_ context.Context, env *Env, o stackAddOptions) error {
	if err := stack.CheckName(o.name); err != nil {
		return &UsageError{Err: err}
	}
	fn, err := o.function()
	if err != nil {
		return err
	}
	target, err := env.newTarget(o.name, o.files, "")
	if err != nil {
		return err
	}
	gateway, err := env.newGateway(o.gateway)
	if err != nil {
		return err
	}
	path := env.abs(target.Path)
	text, err := env.withFunction(target, gateway, o.name, fn)
	if err != nil {
		return err
	}
	done := "written"
	if target.Exists {
		done = "updated"
	}
	if err := atomicfile.UpdateBytes(path, stackFilePerm, text); err != nil {
		return err
	}
	return env.resultf("Stack file %s: %s", done, target.Path)
}
