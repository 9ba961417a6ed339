package commands

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

// functionNamespace is where OpenFaaS puts functions on Kubernetes.
const functionNamespace = "openfaas-fn"

type generateOptions struct {
	stack             stackFlags
	api               string
	namespace         string
	namespaceExplicit bool
	tag               stack.TagFormat

	fromStore   string
	url         string
	name        string
	arch        string
	labels      []string
	annotations []string
}

func newGenerateCmd(env *Env) *cobra.Command {
	o := generateOptions{}
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Print Kubernetes manifests of functions",
		Long: `Print the functions of the stack file, or one of the function store, as
manifests for Kubernetes: Functions of the OpenFaaS operator, or Knative
services with --api ` + stack.KnativeAPI + `. They are sorted by name.`,
		Example: `  faas-cli generate
  faas-cli generate --filter 'api-*' --namespace staging | kubectl apply -f -
  faas-cli generate --from-store nodeinfo --arch arm64
  faas-cli generate --api ` + stack.KnativeAPI,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			o.namespaceExplicit = cmd.Flags().Changed("namespace")
			if o.fromStore == "" {
				warnStoreFlags(env, cmd)
			}
			return runGenerate(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	f := cmd.Flags()
	f.StringVar(&o.api, "api", "openfaas.com/v1", "`apiVersion` of the manifests")
	f.StringVarP(&o.namespace, "namespace", "n", functionNamespace, "`namespace` of the manifests (default: the function's own, else "+functionNamespace+"); '' for none")
	f.Lookup("namespace").DefValue = "" // the text says it
	registerTag(cmd, &o.tag)
	f.StringVar(&o.fromStore, "from-store", "", "take the function of that `name` or title from the function store")
	f.StringVarP(&o.url, "url", "u", "", storeURLUsage)
	f.StringVar(&o.name, "name", "", "with --from-store: `name` of the function")
	f.StringVar(&o.arch, "arch", "x86_64", "with --from-store: `platform` of the image")
	listVar(f, &o.annotations, "annotation", "", "with --from-store: annotation `KEY=VALUE` (repeatable)")
	listVar(f, &o.labels, "label", "", "with --from-store: label `KEY=VALUE` (repeatable)")
	return cmd
}

// warnStoreFlags names the flags that change nothing about the functions of a
// stack file.
func warnStoreFlags(env *Env, cmd *cobra.Command) {
	for _, name := range []string{"url", "name", "arch", "annotation", "label"} {
		if cmd.Flags().Changed(name) {
			env.warnf("--%s has no effect without --from-store", name)
		}
	}
}

func (o generateOptions) validate() error {
	if o.api == "" {
		return usagef("--api: the manifests need an apiVersion")
	}
	if o.fromStore != "" && o.tag == stack.TagDigest {
		return usagef("--tag digest: a function of the store has no handler to make a digest of")
	}
	return nil
}

func runGenerate(ctx context.Context, env *Env, o generateOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if o.fromStore != "" {
		return generateFromStore(ctx, env, o)
	}
	f, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return err
	}
	slices.SortFunc(f.Functions, func(a, b stack.Function) int { return cmp.Compare(a.Name, b.Name) })
	w := stack.ManifestWriter{W: env.Term.Out, API: o.api, Namespace: o.namespace}
	image := env.imageNamer(o.tag)
	// Nothing is printed unless all of it can be, so that a pipe into kubectl
	// applies no half of a stack. What can fail is done first.
	deployments, errs := make([]schema.FunctionDeployment, len(f.Functions)), make([]error, len(f.Functions))
	for i := range f.Functions {
		deployments[i], errs[i] = env.manifest(ctx, &f.Functions[i], image)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, d := range deployments {
		own := d.Namespace
		if o.namespaceExplicit {
			own = ""
		}
		if err := w.Write(own, &d); err != nil {
			return err
		}
	}
	return w.Close()
}

// manifest is what a manifest says of fn: its deployment, without labels and
// annotations where the stack file has none.
func (e *Env) manifest(ctx context.Context, fn *stack.Function, image func(context.Context, *stack.Function) (string, error)) (schema.FunctionDeployment, error) {
	name, nameErr := image(ctx, fn)
	environment, envErr := fn.Environ(e.Dir)
	if err := errors.Join(nameErr, envErr); err != nil {
		return schema.FunctionDeployment{}, err
	}
	fn.Environment, fn.EnvironmentFile = environment, nil // read already
	d, err := fn.Deployment(stack.Overrides{Image: name})
	if fn.Labels == nil {
		d.Labels = nil
	}
	if fn.Annotations == nil {
		d.Annotations = nil
	}
	return d, err
}

// generateFromStore prints one function of the store.
func generateFromStore(ctx context.Context, env *Env, o generateOptions) error {
	labels, err := stack.ParsePairs("label", o.labels)
	if err != nil {
		return &UsageError{Err: err}
	}
	annotations, err := stack.ParsePairs("annotation", o.annotations)
	if err != nil {
		return &UsageError{Err: err}
	}
	entries, err := env.functionStore(ctx, storeFlags{url: cmp.Or(o.url, functionstore.DefaultURL), explicit: o.url != "", timeout: gateway.DefaultTimeout})
	if err != nil {
		return err
	}
	e, err := functionstore.Find(entries, o.fromStore, o.arch)
	if err != nil {
		return withHint(err, "the store has images for %s; faas-cli store list shows its functions",
			strings.Join(functionstore.Platforms(entries), ", "))
	}
	name := cmp.Or(o.name, e.Name)
	if err := stack.CheckName(name); err != nil {
		return err
	}
	image, err := stack.ImageName(ctx, functionstore.Image(e, o.arch), o.tag, env.gitTags(o.tag))
	if err != nil {
		return err
	}
	d := schema.FunctionDeployment{
		Service: name, Image: image, EnvProcess: e.FProcess, EnvVars: e.Environment,
		Labels: joined(e.Labels, labels), Annotations: joined(e.Annotations, annotations),
		ReadOnlyRootFilesystem: e.ReadOnlyRootFilesystem,
	}
	w := stack.ManifestWriter{W: env.Term.Out, API: o.api, Namespace: o.namespace}
	if err := w.Write("", &d); err != nil {
		return err
	}
	return w.Close()
}

// joined is base with over on top, nil when both are empty.
func joined(base, over map[string]string) map[string]string {
	if len(base)+len(over) == 0 {
		return nil
	}
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}
