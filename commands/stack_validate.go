package commands

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

type stackValidateOptions struct {
	stack  stackFlags
	format findingFormat
}

func newStackValidateCmd(env *Env) *cobra.Command {
	o := stackValidateOptions{}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the stack file",
		Long: `Check the stack file as far as that is possible without building or deploying:
syntax, keys, names, images, handlers, templates, files, quantities, labels and
annotations, schedules and timeouts. It exits with 1 if there are errors, with
--strict also for warnings.

A comment "# faas-cli: ignore RULE" on the line, or alone above it, silences a
rule there.`,
		Example: `  faas-cli stack validate
  faas-cli stack validate --env-name prod --strict
  faas-cli stack validate --output sarif > stack.sarif`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			return runStackValidate(cmd.Context(), env, o)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.format.register(cmd)
	return cmd
}

func runStackValidate(ctx context.Context, env *Env, o stackValidateOptions) error {
	d, err := env.discoverStack(o.stack)
	if err != nil {
		return err
	}
	if err := needStack(d); err != nil {
		return err
	}
	load, err := env.stackOptions(o.stack)
	if err != nil {
		return err
	}
	known, done := env.templateFinder(d.Paths[0])
	defer done()
	findings, f, err := stack.Validate(ctx, d.Paths, load, stack.ValidateOptions{Template: known})
	if err != nil {
		return err
	}
	switch o.format {
	case findingJSON:
		if findings == nil {
			findings = []stack.Finding{}
		}
		err = output.WriteJSON(env.Term.Out, findings)
	case findingSARIF:
		err = output.WriteJSON(env.Term.Out, stackSARIF(env.Version, findings))
	default:
		err = printStackFindings(env.Term, findings)
	}
	if err != nil {
		return err
	}
	return validateResult(env, o, d.Paths, f, findings)
}

// templateFinder tells which templates are at hand: installed or embedded.
func (e *Env) templateFinder(stackFile string) (known func(lang string) bool, done func()) {
	p, err := e.openTemplates(templateFlags{}, templateSources{stackFile: stackFile})
	if err != nil {
		return nil, func() {}
	}
	return func(lang string) bool {
		if _, err := p.Open(lang); err == nil {
			return true
		}
		_, err := templates.OpenEmbedded(lang)
		return err == nil
	}, func() { _ = p.Close() } // it was only read
}

// printStackFindings prints findings as compilers do.
func printStackFindings(t *term.Terminal, findings []stack.Finding) error {
	var b strings.Builder
	for _, f := range findings {
		style := map[stack.Severity]term.Style{stack.SeverityError: term.Red, stack.SeverityWarning: term.Yellow}[f.Severity]
		fmt.Fprintf(&b, "%s: %s %s [%s]\n", f.Position(), t.Paint(t.Out, style, string(f.Severity)+":"), f.Message, f.Rule)
		if f.Advice != "" {
			b.WriteString("    " + f.Advice + "\n")
		}
	}
	text := b.String()
	if t.OutTTY && !t.Color {
		text = term.Sanitize(text)
	}
	_, err := io.WriteString(t.Out, text)
	return err
}

// validateResult says how it went.
func validateResult(env *Env, o stackValidateOptions, paths []string, f *stack.File, findings []stack.Finding) error {
	bad, warnings := 0, 0
	for _, x := range findings {
		switch x.Severity {
		case stack.SeverityError:
			bad++
		case stack.SeverityWarning:
			warnings++
		}
	}
	name := strings.Join(paths, ", ")
	switch {
	case bad > 0 || o.stack.strict && warnings > 0:
		return fmt.Errorf("%s: %s, %s", name, count(bad, "error"), count(warnings, "warning"))
	case o.format != findingText:
		return nil
	case warnings > 0:
		return env.resultf("%s is valid: %s, %s", name, count(len(f.Functions), "function"), count(warnings, "warning"))
	}
	return env.resultf("%s is valid: %s", name, count(len(f.Functions), "function"))
}
