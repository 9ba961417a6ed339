package commands

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/templates"
)

type templateLintOptions struct {
	dir    string
	format findingFormat
	strict bool
	rules  bool
}

func newTemplateLintCmd(env *Env) *cobra.Command {
	o := templateLintOptions{dir: "."}
	cmd := &cobra.Command{
		Use:   "lint [DIR]",
		Short: "Check templates for mistakes",
		Long: `Check templates for mistakes. DIR is a template, or a folder that has templates
below template/ (default: the current folder). The exit code is 1 if there is an
error, or with --strict a warning.

A rule is silenced by a comment "# lint: ignore RULE" in the line it complains
about or the one above; at the top of template.yml it is for the whole template.
--rules lists the rules.`,
		Example: "  faas-cli template lint\n  faas-cli template lint template/rust-axum --strict\n  faas-cli template lint --output sarif > lint.sarif",
		Args:    atMostOne,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.dir = args[0]
			}
			return runTemplateLint(env, o)
		},
	}
	f := cmd.Flags()
	o.format.register(cmd)
	f.BoolVar(&o.strict, "strict", false, "fail on warnings too")
	f.BoolVar(&o.rules, "rules", false, "list the rules and what to do about them")
	return cmd
}

func runTemplateLint(env *Env, o templateLintOptions) error {
	if o.rules {
		return printLintRules(env, o.format)
	}
	dirs, err := templateFolders(env.abs(o.dir))
	if err != nil {
		return err
	}
	findings := []templates.Finding{}
	paths := map[string]string{} // template → its folder, as the user would write it
	for _, dir := range dirs {
		found, err := lintFolder(dir)
		if err != nil {
			return err
		}
		findings = append(findings, found...)
		paths[filepath.Base(dir)] = env.relative(dir)
	}
	switch o.format {
	case findingJSON:
		err = output.WriteJSON(env.Term.Out, findings)
	case findingSARIF:
		err = output.WriteJSON(env.Term.Out, sarif(env.Version, findings, paths))
	default:
		err = printFindings(env, findings, paths)
	}
	if err != nil {
		return err
	}
	errs, warnings := 0, 0
	for _, f := range findings {
		switch f.Severity {
		case templates.SeverityError:
			errs++
		case templates.SeverityWarning:
			warnings++
		case templates.SeverityNote:
		}
	}
	if errs > 0 || o.strict && warnings > 0 {
		return withHint(fmt.Errorf("lint: %s and %s in %s", count(errs, "error"), count(warnings, "warning"), count(len(dirs), "template")),
			"faas-cli template lint --rules says what each rule is about")
	}
	env.progressf("%s checked, %s", count(len(dirs), "template"), count(warnings, "warning"))
	return nil
}

// templateFolders returns dir if it is a template, else the folders below its
// template/.
func templateFolders(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, templates.ConfigFile)); err == nil {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, templates.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q is no template and has none: there is neither %s nor a folder %s", dir, templates.ConfigFile, templates.Dir)
	}
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			dirs = append(dirs, filepath.Join(dir, templates.Dir, e.Name()))
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("there is no template in %q", filepath.Join(dir, templates.Dir))
	}
	return dirs, nil
}

func lintFolder(dir string) ([]templates.Finding, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return templates.Lint(filepath.Base(dir), root.FS()), nil
}

// relative is a path as the user would write it.
func (e *Env) relative(dir string) string {
	if rel, err := filepath.Rel(e.Dir, dir); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(dir)
}

func printFindings(env *Env, findings []templates.Finding, paths map[string]string) error {
	var b strings.Builder
	for _, f := range findings {
		where := path.Join(paths[f.Template], f.File)
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, f.Line)
		}
		style := map[templates.Severity]term.Style{
			templates.SeverityError: term.Red, templates.SeverityWarning: term.Yellow, templates.SeverityNote: term.Cyan,
		}[f.Severity]
		fmt.Fprintf(&b, "%s: %s: %s [%s]\n", env.shown(where), env.Term.Paint(env.Term.Out, style, string(f.Severity)), env.shown(f.Message), f.Rule)
	}
	_, err := io.WriteString(env.Term.Out, b.String())
	return err
}

func printLintRules(env *Env, format findingFormat) error {
	type row = templates.Rule
	printer := output.Printer[row]{Format: output.Table, Columns: []output.Column[row]{
		{Header: "Rule", Value: func(r row) string { return r.Name }},
		{Header: "Severity", Value: func(r row) string { return string(r.Severity) }},
		{Header: "Wants", Value: func(r row) string { return r.Summary }},
		{Header: "Otherwise", Value: func(r row) string { return r.Advice }},
	}}
	if format != findingText {
		printer.Format = output.JSON
	}
	return printer.List(env.Term.Out, templates.Rules())
}
