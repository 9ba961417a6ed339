package commands

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/progress"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

// buildFlags say what is built, with what, and how it is shown. They are
// shared by build, publish, up and local-run.
type buildFlags struct {
	// One function without a stack file.
	image, handler, name, lang string

	args, options, labels, extras []string
	tag                           stack.TagFormat
	noCache, squash, pull, force  bool
	builder                       builderName
	remote                        remoteFlags

	listFiles  bool // the variable debug is set, as the original knows it
	debuggable bool // for a debugger, with --debug-port of local-run
	shrinkwrap bool
	outputs    []string // --build-to
	print      bool

	parallel         int
	parallelExplicit bool

	tools            *builder.Tools // what --watch need not ask again
	templates        templateFlags
	disableStackPull bool
	show             progressFlags

	overwrite bool // of the original, without effect here
}

// progressFlags say how progress is shown, and where else results go.
type progressFlags struct {
	mode         progress.Mode
	quiet        bool
	metadataFile string
}

func (o *progressFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	choiceVar(f, &o.mode, "progress", "", "show progress as `mode`", progress.Auto, progress.Plain, progress.JSON, progress.Quiet)
	f.BoolVar(&o.quiet, "quiet", false, "show warnings and failures only, as --progress quiet")
	f.StringVar(&o.metadataFile, "metadata-file", "", "write names and digests of the images to `file`, as JSON")
}

// effective is the mode that the flags mean together.
func (o progressFlags) effective() progress.Mode {
	if o.quiet {
		return progress.Quiet
	}
	return o.mode
}

// silent says that a line for people has no place in the progress.
func (o progressFlags) silent() bool {
	m := o.effective()
	return m == progress.Quiet || m == progress.JSON
}

// remoteFlags name a remote builder. The environment gives what is not given
// on the command line; build has only the environment, and local-run, which builds
// for this machine, has neither.
type remoteFlags struct{ url, payloadSecret, publicKey string }

func (o *remoteFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.url, "remote-builder", "", "`URL` of the remote builder (default $OPENFAAS_REMOTE_BUILDER)")
	f.StringVar(&o.payloadSecret, "payload-secret", "", "`file` with the secret that requests to the remote builder are signed with (default $OPENFAAS_PAYLOAD_SECRET)")
	f.StringVar(&o.publicKey, "builder-public-key", "", "public `key` of the remote builder, or a file with it (default $OPENFAAS_BUILDER_PUBLIC_KEY, else the builder is asked)")
}

// complete adds what the environment says.
func (o remoteFlags) complete(env *Env) remoteFlags {
	for _, v := range []struct {
		value *string
		key   string
	}{
		{&o.url, "OPENFAAS_REMOTE_BUILDER"},
		{&o.payloadSecret, "OPENFAAS_PAYLOAD_SECRET"},
		{&o.publicKey, "OPENFAAS_BUILDER_PUBLIC_KEY"},
	} {
		if *v.value == "" {
			*v.value = env.get(v.key)
		}
	}
	return o
}

// builderName is the value of --builder.
type builderName string

const (
	builderAuto   builderName = "auto"
	builderDocker builderName = "docker"
	builderNative builderName = "native"
)

// register adds --builder.
func (b *builderName) register(cmd *cobra.Command) {
	choiceVar(cmd.Flags(), b, "builder", "", "make images with this `builder`, of which native needs no container engine", builderAuto, builderDocker, builderNative)
}

// register adds all flags but those of the remote builder.
func (o *buildFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.image, "image", "", "build one function without a stack file, as `image`")
	f.StringVar(&o.handler, "handler", "", "with --image: the `folder` of its handler")
	f.StringVar(&o.name, "name", "", "with --image: its `name`")
	f.StringVar(&o.lang, "lang", "", "with --image: its `template`, or dockerfile")

	listVar(f, &o.args, "build-arg", "b", "build argument `KEY=VALUE` (repeatable)")
	listVar(f, &o.options, "build-option", "o", "build `option` that the template defines (repeatable)")
	listVar(f, &o.labels, "build-label", "", "label `KEY=VALUE` of the image (repeatable)")
	listVar(f, &o.extras, "copy-extra", "", "further `path` that is copied into the handler's folder (repeatable)")
	registerTag(cmd, &o.tag)
	f.BoolVar(&o.noCache, "no-cache", false, "do not use cached steps of earlier builds")
	f.BoolVar(&o.squash, "squash", false, "squash the layers of the image into one, where the engine can")
	f.BoolVar(&o.pull, "pull", false, "look for newer base images")
	f.BoolVar(&o.force, "force", false, "build even if nothing has changed")
	o.builder.register(cmd)

	f.BoolVar(&o.shrinkwrap, "shrinkwrap", false, "only write the build context to ./build/NAME")
	listVar(f, &o.outputs, "build-to", "", "write the image to `oci:DIR` or tar:FILE as well; {} stands for the function's name (repeatable)")
	f.BoolVar(&o.print, "print", false, "print what would be built, with what and why, and stop")
	f.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "build up to `n` functions at once")

	f.BoolVar(&o.disableStackPull, "disable-stack-pull", false, "do not pull missing templates from the sources in the stack file, only from the store")
	o.templates.register(cmd)
	f.BoolVar(&o.templates.trace, "debug", false, "show the git commands that fetch missing templates")
	f.BoolVar(&o.overwrite, "overwrite", true, "without effect: only missing templates are pulled")
	_ = f.MarkHidden("overwrite") // it was just defined
	o.show.register(cmd)
}

// complete reads what only the parsed command line knows, and warns of what
// has no effect.
func (o *buildFlags) complete(env *Env, cmd *cobra.Command) {
	o.tools = &builder.Tools{}
	o.parallelExplicit = cmd.Flags().Changed("parallel")
	o.templates.complete(cmd)
	if v := env.get("debug"); v == "1" || v == "true" {
		o.listFiles = true
		if !o.show.silent() {
			o.show.mode = progress.Plain // the live view hides what goes well
		}
	}
	if o.overwrite && cmd.Flags().Changed("overwrite") {
		env.warnf("--overwrite has no effect: only missing templates are pulled; template pull replaces others")
	}
}

func (o buildFlags) validate() error {
	if err := checkParallel(o.parallel); err != nil {
		return err
	}
	if _, err := builder.ParseArgs("--build-arg", o.args); err != nil {
		return &UsageError{Err: err}
	}
	if _, err := builder.ParseArgs("--build-label", o.labels); err != nil {
		return &UsageError{Err: err}
	}
	if o.shrinkwrap && len(o.outputs) > 0 {
		return usagef("--build-to writes images, and --shrinkwrap makes none")
	}
	for _, s := range o.outputs {
		if _, err := builder.ParseOutput(s); err != nil {
			return &UsageError{Err: fmt.Errorf("--build-to: %w", err)}
		}
	}
	return nil
}

func checkParallel(n int) error {
	if n < 1 {
		return usagef("--parallel must be at least 1, got %d", n)
	}
	return nil
}

// single returns the function that the flags describe, and whether they
// describe one.
func (o buildFlags) single() (stack.Function, bool, error) {
	if o.image == "" && o.name == "" && o.handler == "" && o.lang == "" {
		return stack.Function{}, false, nil
	}
	switch {
	case o.image == "":
		return stack.Function{}, true, usagef("a function without a stack file needs --image")
	case o.handler == "":
		return stack.Function{}, true, usagef("a function without a stack file needs --handler, the folder of its code")
	case o.name == "":
		return stack.Function{}, true, usagef("a function without a stack file needs --name")
	}
	if err := stack.CheckName(o.name); err != nil {
		return stack.Function{}, true, &UsageError{Err: fmt.Errorf("--name: %w", err)}
	}
	fn := stack.Function{Name: o.name, Function: schema.Function{Language: normaliseLang(o.lang), Handler: o.handler, Image: o.image}}
	return fn, true, nil
}

// dockerfileLang is the language of functions that bring their own Dockerfile.
const dockerfileLang = "dockerfile"

// normaliseLang lets "dockerfile" be written in any case.
func normaliseLang(lang string) string {
	if strings.EqualFold(lang, dockerfileLang) {
		return dockerfileLang
	}
	return lang
}
