package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// maxStackText bounds a stack file that is read for its templates, in bytes.
const maxStackText = 10 << 20

type templatePullStackOptions struct {
	pullFlags
	stack stackFlags
}

func newTemplatePullStackCmd(env *Env) *cobra.Command {
	o := templatePullStackOptions{}
	cmd := &cobra.Command{
		Use:   "stack",
		Short: "Pull the templates that a stack file names",
		Long: `Pull the templates that configuration.templates of the stack file names, each
from its source; those without a source come from the template store. Only the
named templates are pulled, present or not.`,
		Example: "  faas-cli template pull stack\n  faas-cli template pull stack -f functions.yml --overwrite=false",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.complete(cmd)
			o.stack.complete(cmd)
			return runTemplatePullStack(cmd.Context(), env, o)
		},
	}
	o.register(cmd)
	o.stack.registerFile(cmd)
	return cmd
}

func runTemplatePullStack(ctx context.Context, env *Env, o templatePullStackOptions) error {
	d, err := env.discoverStack(o.stack)
	if err != nil {
		return err
	}
	if err := needStack(d); err != nil {
		return err
	}
	o.stackFile = d.Paths[0]
	declared, err := env.readDeclared(ctx, d.Paths)
	if err != nil {
		return err
	}
	if len(declared) == 0 {
		return withHint(fmt.Errorf("%s names no templates", d.Paths[0]), "list them under configuration.templates, each with name and source")
	}
	p, err := env.openPull(o.pullFlags)
	if err != nil {
		return err
	}
	defer p.Close()
	var reqs []templates.Request
	for _, entry := range declared {
		src, want, err := p.DeclaredSource(ctx, entry)
		if err != nil {
			return err // before anything is written
		}
		if entry.Source == "" {
			env.progressf("Pulling template: %s from store", entry.Name)
		} else {
			env.progressf("Pulling template: %s from %s", entry.Name, src)
		}
		reqs = addRequest(reqs, src, want)
	}
	return env.pullTemplates(ctx, o.pullFlags, p, reqs)
}

// addRequest asks for one more template; those of one source are one request.
func addRequest(reqs []templates.Request, src templates.Source, want templates.Want) []templates.Request {
	i := slices.IndexFunc(reqs, func(r templates.Request) bool { return r.Source == src })
	if i < 0 {
		return append(reqs, templates.Request{Source: src, Wants: []templates.Want{want}})
	}
	if !slices.Contains(reqs[i].Wants, want) {
		reqs[i].Wants = append(reqs[i].Wants, want)
	}
	return reqs
}

// readDeclared reads configuration.templates of the stack files; an entry of a
// later file replaces one of the same name.
func (e *Env) readDeclared(ctx context.Context, paths []string) ([]schema.TemplateSource, error) {
	var all []schema.TemplateSource
	for _, path := range paths {
		text, err := e.readStackText(ctx, path)
		if err != nil {
			return nil, err
		}
		declared, err := templates.Declared(path, text)
		if err != nil {
			return nil, err
		}
		for _, d := range declared {
			if i := slices.IndexFunc(all, func(o schema.TemplateSource) bool { return o.Name == d.Name }); i >= 0 {
				all[i] = d
			} else {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

// readStackText reads a stack file or URL as it is.
func (e *Env) readStackText(ctx context.Context, path string) ([]byte, error) {
	var in io.ReadCloser
	var err error
	if stack.IsURL(path) {
		in, err = e.fetchStack(ctx, path)
	} else {
		in, err = os.Open(e.abs(path))
	}
	if err != nil {
		return nil, fmt.Errorf("read stack file %q: %w", path, err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxStackText+1))
	if err == nil && len(text) > maxStackText {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("read stack file %q: %w", path, err)
	}
	return text, nil
}
