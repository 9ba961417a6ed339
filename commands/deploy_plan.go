package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// imageNamer gives the image of a function its final name.
type imageNamer func(ctx context.Context, fn *stack.Function) (string, error)

// planStack maps the functions of a stack file to what the gateway is to be
// sent, in their order. All of them are looked at before any is sent: what is
// wrong is joined, and then nothing is planned. namespace resolves the one that
// the file gives a function, or "".
func (e *Env) planStack(ctx context.Context, file *stack.File, namespace func(inStack string) string, o deployFlags, image imageNamer) ([]schema.FunctionDeployment, error) {
	pairs, err := o.pairs()
	if err != nil {
		return nil, err
	}
	if len(file.Functions) == 0 {
		return nil, fmt.Errorf("no functions in %s", strings.Join(file.Paths, ", "))
	}
	if given := o.resources.given(); len(given) > 0 {
		e.warnf("%s: no effect on functions of a stack file, set limits and requests there", strings.Join(given, ", "))
	}
	processes := &templateProcesses{env: e, file: file}
	defer processes.close()

	plan := make([]schema.FunctionDeployment, len(file.Functions))
	var errs []error
	for i := range file.Functions {
		fn := &file.Functions[i]
		d, err := e.planFunction(ctx, fn, namespace(fn.Namespace), o, pairs, image, processes)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		plan[i] = d
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return plan, nil
}

func (e *Env) planFunction(
	ctx context.Context, fn *stack.Function, namespace string, o deployFlags, pairs deployPairs,
	image imageNamer, processes *templateProcesses,
) (schema.FunctionDeployment, error) {
	name, err := image(ctx, fn)
	if err != nil {
		return schema.FunctionDeployment{}, err
	}
	over := stack.Overrides{
		Image: name, Namespace: namespace, Dir: e.Dir,
		Environment: pairs.env, Labels: pairs.labels, Annotations: pairs.annotations,
		Secrets: o.secrets, Constraints: o.constraints, ReadOnly: o.readOnly,
	}
	if o.readTemplate && o.fprocess == "" {
		if over.FProcess, err = processes.of(fn); err != nil {
			return schema.FunctionDeployment{}, err
		}
	}
	d, err := fn.Deployment(over)
	if o.fprocess != "" {
		d.EnvProcess = o.fprocess // the flag wins over the file (KB-24)
	}
	return d, err
}

// templateProcesses reads the fprocess of templates, which are opened when the
// first function needs one.
type templateProcesses struct {
	env     *Env
	file    *stack.File
	project *templateProject
}

func (p *templateProcesses) close() {
	if p.project != nil {
		_ = p.project.Close() // it was only read
	}
}

// of is the command of the function's template where the function has none.
func (p *templateProcesses) of(fn *stack.Function) (string, error) {
	if fn.FProcess != "" || fn.Language == "" || fn.Language == "dockerfile" {
		return "", nil
	}
	t, err := p.template(fn)
	switch {
	case err == nil:
		return t.Config.FProcess, nil
	case errors.Is(err, templates.ErrNotFound) && fn.SkipBuild: // a prebuilt image needs no template (KB-92)
		p.env.warnf("function %s: %v; its image is deployed with the command that it has", fn.Name, err)
		return "", nil
	case errors.Is(err, templates.ErrNotFound):
		return "", withHint(fmt.Errorf("function %s: %w", fn.Name, err),
			"fetch it with faas-cli template pull or template store pull, or give --read-template=false")
	}
	return "", fmt.Errorf("function %s: %w", fn.Name, err)
}

// template opens the function's template.
func (p *templateProcesses) template(fn *stack.Function) (templates.Template, error) {
	if p.project == nil {
		project, err := p.env.openTemplates(templateFlags{}, templateSources{stackFile: p.file.Paths[0]})
		if err != nil {
			return templates.Template{}, err
		}
		p.project = project
	}
	return p.project.Open(fn.Language)
}

// planImage is the deployment of an image without a stack file.
func planImage(name, image, namespace string, o deployFlags) (schema.FunctionDeployment, error) {
	if err := stack.CheckName(name); err != nil {
		return schema.FunctionDeployment{}, &UsageError{Err: err}
	}
	pairs, err := o.pairs()
	if err != nil {
		return schema.FunctionDeployment{}, err
	}
	return schema.FunctionDeployment{
		Service: name, Image: image, Namespace: namespace, EnvProcess: o.fprocess,
		EnvVars: pairs.env, Labels: pairs.labels, Annotations: pairs.annotations,
		Constraints: o.constraints, Secrets: distinct(o.secrets), ReadOnlyRootFilesystem: o.readOnly,
		Limits: o.resources.limits(), Requests: o.resources.requests(),
	}, nil
}

// distinct is a list with each of its values once: a secret that is named twice
// would be mounted twice.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
