package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// A job is one function on its way through a pipeline.
type job struct {
	fn    stack.Function
	image string // full name, --tag applied
	skip  bool   // skip_build: neither built nor pushed

	template templates.Template
	request  builder.Request
	choice   engineChoice

	deployment schema.FunctionDeployment // what up sends to the gateway

	err error // what kept the function from being prepared
}

// buildWork is what a command is about to do: its jobs in the order of the
// stack file. It is closed when they are done.
type buildWork struct {
	env       *Env
	jobs      []*job
	root      *os.Root
	templates *templateProject
	opened    map[string]func() (templates.Template, error) // by name, each opened once
	engines   *buildEngines
}

// Close releases the folders that contexts are read from.
func (w *buildWork) Close() error {
	return errors.Join(w.engines.Close(), w.templates.Close(), w.root.Close())
}

// planJobs names the images of the functions. Nothing is read for it but what
// --tag needs.
func (e *Env) planJobs(ctx context.Context, fns []stack.Function, tag stack.TagFormat) ([]*job, error) {
	name := e.imageNamer(tag)
	jobs := make([]*job, len(fns))
	errs := make([]error, len(fns))
	for i, fn := range fns {
		jobs[i] = &job{fn: fn, skip: fn.SkipBuild}
		if jobs[i].image, errs[i] = name(ctx, &fn); fn.SkipBuild && errs[i] != nil {
			jobs[i].image, errs[i] = fn.Image, nil // neither built nor pushed: its handler need not be here
		}
	}
	return jobs, errors.Join(errs...)
}

// planBuilds prepares the jobs: templates are pulled if they are missing,
// contexts are laid out, engines are chosen. What fails for one function is
// kept in its job; what fails for all is returned.
func (e *Env) planBuilds(ctx context.Context, f buildFlags, st *stack.File, jobs []*job, to buildTarget) (*buildWork, error) {
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return nil, err
	}
	if err := f.checkArchives(jobs); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	w := &buildWork{env: e, jobs: jobs, root: root, opened: map[string]func() (templates.Template, error){}}
	sources := templateSources{declared: st.Templates}
	if len(st.Paths) > 0 {
		sources.stackFile = st.Paths[0]
	}
	if f.disableStackPull {
		sources.declared = nil
	}
	if w.templates, err = e.functionTemplates(ctx, f.templates, sources, st.Functions); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	for _, fn := range st.Functions {
		if w.opened[fn.Language] == nil {
			w.opened[fn.Language] = sync.OnceValues(func() (templates.Template, error) { return w.templates.Open(fn.Language) })
		}
	}
	w.engines = e.newBuildEngines(f, to)
	if f.remote.url != "" && !f.shrinkwrap { // what is wrong with it is wrong for all
		if _, err := w.engines.remote(ctx); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.prepare(ctx, f, st, to); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// checkArchives refuses one archive for several images: the last one written
// would be all that is left.
func (f buildFlags) checkArchives(jobs []*job) error {
	built := 0
	for _, j := range jobs {
		if !j.skip {
			built++
		}
	}
	for _, s := range f.outputs {
		if o, err := builder.ParseOutput(s); err == nil && o.Kind == builder.OutputTar && built > 1 && !strings.Contains(s, "{}") {
			return usagef("--build-to %s: %d images do not fit into one archive; {} in its name stands for the function's", s, built)
		}
	}
	return nil
}

func (w *buildWork) prepare(ctx context.Context, f buildFlags, st *stack.File, to buildTarget) error {
	contexts := &builder.ContextBuilder{Project: w.root, Extras: slices.Concat(f.extras, st.CopyExtra)}
	if w.env.ci() {
		contexts.DirMode = 0o777 // other users of a CI machine clean up
	}
	var g errgroup.Group
	g.SetLimit(f.parallel)
	for _, j := range w.jobs {
		if j.skip {
			continue
		}
		g.Go(func() error {
			if err := w.prepareJob(ctx, j, f, contexts, to); err != nil {
				j.err = fmt.Errorf("build %s: %w", j.fn.Name, err)
			}
			return nil // keep the others going
		})
	}
	return g.Wait()
}

// prepareJob fills in the request of a job.
func (w *buildWork) prepareJob(ctx context.Context, j *job, f buildFlags, contexts *builder.ContextBuilder, to buildTarget) (err error) {
	if j.fn.Language == "" {
		return errors.New("the function has no lang: name its template, or set skip_build")
	}
	if j.fn.Language != dockerfileLang {
		if j.template, err = w.opened[j.fn.Language](); err != nil {
			return err
		}
	}
	r := builder.Request{
		Image: j.image, NoCache: f.noCache, Pull: f.pull, Squash: f.squash, Force: f.force, Debug: f.debuggable,
		SSH: j.template.Config.MountSSH, Outputs: to.outputs,
	}
	if r.Context, err = contexts.Prepare(ctx, j.fn, j.template); err != nil {
		return err
	}
	if r.Args, err = f.argsOf(j.fn, r.Context); err != nil {
		return err
	}
	if r.Labels, err = builder.ParseArgs("--build-label", f.labels); err != nil {
		return err
	}
	if r.Secrets, err = w.secrets(j.fn); err != nil {
		return err
	}
	if r.Platforms, err = to.platforms(j.fn); err != nil {
		return err
	}
	if r.ExtraTags, err = to.extraTags(j.image); err != nil {
		return err
	}
	for _, s := range f.outputs {
		o, err := builder.ParseOutput(strings.ReplaceAll(s, "{}", j.fn.Name))
		if err != nil {
			return err
		}
		o.Dest = w.env.abs(o.Dest)
		r.Outputs = append(slices.Clone(r.Outputs), o)
	}
	j.request = r
	if f.shrinkwrap {
		return nil // no engine is asked
	}
	j.choice, err = w.engines.choose(ctx, j)
	if err != nil {
		return err
	}
	if j.choice.caps.Proxies {
		w.env.addProxies(j.request.Args)
	}
	return nil
}

// addProxies passes the proxies of the environment on, unless they are given
// as build arguments. Only the lower-case variables count, as ever.
func (e *Env) addProxies(args map[string]string) {
	for _, key := range []string{"http_proxy", "https_proxy"} {
		if v := e.get(key); v != "" && args[key] == "" {
			args[key] = v
		}
	}
}

// argsOf are the build arguments of a function: the stack file's, then the
// flags', and the packages of all its build options.
func (f buildFlags) argsOf(fn stack.Function, c *builder.Context) (map[string]string, error) {
	given, err := builder.ParseArgs("--build-arg", f.args)
	if err != nil {
		return nil, err
	}
	args := maps.Clone(given)
	for k, v := range fn.BuildArgs {
		switch {
		case k == builder.AdditionalPackage:
			args[k] = strings.TrimSpace(v + " " + given[k])
		case given[k] == "":
			args[k] = v
		}
	}
	return builder.Arguments(c, slices.Concat(f.options, fn.BuildOptions), args)
}

// secrets are the build secrets of a function, sorted. Their files are looked
// at now, so that a missing one is found before anything is built.
func (w *buildWork) secrets(fn stack.Function) ([]builder.Secret, error) {
	var secrets []builder.Secret
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(fn.BuildSecrets)) {
		path := w.env.abs(fn.BuildSecrets[id])
		if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
			if err == nil {
				err = fs.ErrInvalid
			}
			errs = append(errs, fmt.Errorf("build secret %q: read %q: %w", id, fn.BuildSecrets[id], err))
		}
		secrets = append(secrets, builder.Secret{ID: id, Path: path})
	}
	return secrets, errors.Join(errs...)
}
