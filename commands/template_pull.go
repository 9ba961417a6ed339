package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/git"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/templates"
)

// pullFlags are shared by the commands that pull templates.
type pullFlags struct {
	templates templateFlags
	overwrite bool
	force     bool
	debug     bool
	format    output.Format

	overwriteExplicit bool   // --overwrite was given, in either way
	stackFile         string // -f, which decides where template.lock is
}

// register adds the flags but -f, which is not the same for all of them.
func (o *pullFlags) register(cmd *cobra.Command) {
	o.templates.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.overwrite, "overwrite", true, "replace templates that are there; false protects them all")
	f.BoolVar(&o.force, "force", false, "replace also templates whose files were changed since they were pulled")
	f.BoolVar(&o.debug, "debug", false, "say which git commands run, and where the cache is")
	registerLongFormat(cmd, &o.format)
}

// complete reads what only the parsed command line knows.
func (o *pullFlags) complete(cmd *cobra.Command) {
	o.templates.complete(cmd)
	o.overwriteExplicit = cmd.Flags().Changed("overwrite")
	o.stackFile = firstStackFile(cmd)
}

func (o pullFlags) options() templates.PullOptions {
	return templates.PullOptions{Protect: !o.overwrite, Force: o.force || o.overwriteExplicit && o.overwrite}
}

type templatePullOptions struct {
	pullFlags
	repository string
}

func newTemplatePullCmd(env *Env) *cobra.Command {
	o := templatePullOptions{}
	cmd := &cobra.Command{
		Use:   "pull [REPOSITORY[#REF]]",
		Short: "Pull all templates of a git repository",
		Long: `Pull all templates of a git repository into ./template, and pin them in
template.lock.

REPOSITORY is an https, http, ssh or git URL, git@HOST:PATH, or a path on this
machine; a // in it separates the repository from a folder inside it. REF is a
branch, a tag, or sha- and a commit; the templates' names then end in @REF.
Without an argument it is $OPENFAAS_TEMPLATE_URL or the templates of OpenFaaS.

The repository is always asked for its newest commit, and a line says what has
moved, unless --locked or --offline.`,
		Example: "  faas-cli template pull https://github.com/openfaas/golang-http-template\n  faas-cli template pull git@github.com:me/templates.git#v1.2\n  faas-cli template pull ../my-templates",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.complete(cmd)
			if len(args) == 1 {
				o.repository = args[0]
			}
			return runTemplatePull(cmd.Context(), env, o)
		},
	}
	o.register(cmd)
	registerLockYAML(cmd)
	cmd.AddCommand(newTemplatePullStackCmd(env))
	return cmd
}

func runTemplatePull(ctx context.Context, env *Env, o templatePullOptions) error {
	src, err := templates.ParseSource(env.templateRepository(o.repository), env.Dir)
	if err != nil {
		return err
	}
	return env.pullTemplates(ctx, o.pullFlags, nil, []templates.Request{{Source: src}})
}

// templateRepository applies the precedence of repositories: the argument,
// unless it is the default one, then the environment, then the default.
func (e *Env) templateRepository(given string) string {
	if given != "" && given != templates.DefaultRepository {
		return given
	}
	if fromEnv := e.get("OPENFAAS_TEMPLATE_URL"); fromEnv != "" {
		return fromEnv
	}
	return templates.DefaultRepository
}

// pullTemplates pulls and prints what happened. p may be nil.
func (e *Env) pullTemplates(ctx context.Context, o pullFlags, p *templateProject, reqs []templates.Request) error {
	if p == nil {
		var err error
		if p, err = e.openPull(o); err != nil {
			return err
		}
		defer p.Close()
	}
	for _, r := range reqs {
		if r.Source.Ref != "" {
			e.progressf("Fetching templates from %s %s", r.Source.Place(), r.Source.Ref)
		} else {
			e.progressf("Fetching templates from %s", r.Source.Place())
		}
	}
	pulled, err := p.Pull(ctx, reqs, o.options())
	return errors.Join(e.printPulled(o.format, pulled, err == nil), e.gitWords(err))
}

// openPull opens the templates of the project as the flags of a pull want.
func (e *Env) openPull(o pullFlags) (*templateProject, error) {
	p, err := e.openTemplates(o.templates, templateSources{stackFile: o.stackFile})
	if err != nil {
		return nil, err
	}
	if o.debug {
		e.progressf("Template cache: %s", p.Fetcher.Cache.Dir())
		p.Fetcher.Trace = e.traceGit
	}
	return p, nil
}

// printPulled says what was pulled and what moved.
func (e *Env) printPulled(format output.Format, pulled []templates.Pulled, whole bool) error {
	type row = templates.Pulled
	if format != output.Table {
		return output.Printer[row]{Format: format, Name: func(r row) string { return r.Name },
			Columns: []output.Column[row]{
				{Header: "Name", Value: func(r row) string { return r.Name }},
				{Header: "Source", Value: func(r row) string { return r.Source }},
				{Header: "Ref", Value: func(r row) string { return r.Ref }},
				{Header: "Commit", Value: func(r row) string { return templates.ShortID(r.Commit) }},
				{Header: "Changed", Value: func(r row) string { return fmt.Sprint(r.Changed) }},
				{Header: "Digest", Wide: true, Value: func(r row) string { return r.Digest }},
			}}.List(e.Term.Out, pulled)
	}
	var b strings.Builder
	var names []string
	for _, r := range pulled {
		names = append(names, r.Name)
		if r.OldCommit != "" {
			fmt.Fprintf(&b, "%s: %s -> %s\n", r.Name, templates.ShortID(r.OldCommit), templates.ShortID(r.Commit))
		}
	}
	if len(names) > 0 || whole {
		fmt.Fprintf(&b, "Wrote %d template(s) : %v\n", len(names), names)
	}
	_, err := io.WriteString(e.Term.Out, b.String())
	return err
}

// gitWords shows what git said of a failure, which is what helps with
// credentials and host names, and returns err. On a terminal it was shown as
// it was said.
func (e *Env) gitWords(err error) error {
	var failed *git.Error
	if errors.As(err, &failed) && failed.Stderr != "" && !e.Term.ErrTTY {
		for line := range strings.Lines(failed.Stderr) {
			e.progressf("git: %s", redactWords(strings.TrimRight(line, "\r\n")))
		}
	}
	return err
}

// redactWords takes the passwords out of the URLs in a line.
func redactWords(line string) string {
	words := strings.Split(line, " ")
	for i, w := range words {
		if strings.Contains(w, "://") && strings.Contains(w, "@") {
			words[i] = templates.Redact(strings.Trim(w, "'\""))
		}
	}
	return strings.Join(words, " ")
}
