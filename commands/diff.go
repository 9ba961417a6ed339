package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

type diffOptions struct {
	stack   stackFlags
	gateway gatewayFlags
	tag     stack.TagFormat
	compare stack.CompareOptions
	format  output.Format

	distinctCodes bool
}

func newDiffCmd(env *Env) *cobra.Command {
	o := diffOptions{compare: stack.CompareOptions{Env: stack.EnvLocal}}
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show how the stack file and the gateway differ",
		Long: `Compare the functions of the stack file with those that are deployed, and
exit with 1 if they differ. Functions that only the gateway has are not shown.
Memory and CPU are compared as amounts, so that 1Gi is 1024Mi.`,
		Example: `  faas-cli diff
  faas-cli diff --filter 'api-*' --env all
  faas-cli diff --tag sha --output json
  faas-cli diff --exit-code || test $? -eq 1`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.stack.complete(cmd)
			o.gateway.complete(cmd)
			differ, err := runDiff(cmd.Context(), env, o)
			if err != nil && o.distinctCodes {
				return codedError{err}
			}
			return errors.Join(err, differ)
		},
	}
	o.stack.register(cmd)
	o.stack.registerSelection(cmd)
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	f := cmd.Flags()
	registerTag(cmd, &o.tag)
	f.Var(&o.compare.Env, "env", "environment `variables` that count: those of the stack (local), of the gateway (remote), or all")
	f.BoolVar(&o.compare.ProviderLabels, "show-provider-labels", false, "count com.openfaas.uid, uid and faas_function, which providers add")
	f.BoolVar(&o.distinctCodes, "exit-code", false, "exit with 2 for an error, so that 1 always means differences")
	registerFormat(cmd, &o.format)
	return cmd
}

// codedError gives an error the exit code 2, which diff --exit-code promises.
type codedError struct{ error }

func (e codedError) Unwrap() error { return e.error }

// exitCode is 2.
func (codedError) exitCode() int { return exitUsage }

var _ exitCoder = codedError{}

// functionDiff is what diff knows of a function. The order of the fields is
// that of the JSON.
type functionDiff struct {
	Name        string             `json:"name"`
	Namespace   string             `json:"namespace,omitempty"`
	Deployed    bool               `json:"deployed"`
	Differences []stack.Difference `json:"differences"`
}

// key is NAME or NAME.NAMESPACE.
func (d functionDiff) key() string {
	if d.Namespace == "" {
		return d.Name
	}
	return d.Name + "." + d.Namespace
}

// runDiff prints the comparison. differ says that there are differences, err
// that there is no comparison.
func runDiff(ctx context.Context, env *Env, o diffOptions) (differ, err error) {
	f, err := env.requireStack(ctx, o.stack)
	if err != nil {
		return nil, err
	}
	if len(f.Functions) == 0 {
		return nil, fmt.Errorf("%s has no functions", strings.Join(f.Paths, ", "))
	}
	client, t, err := env.gatewayClient(o.gateway, f.Gateway)
	if err != nil {
		return nil, err
	}
	wants, err := deployments(ctx, env, f, t, o)
	if err != nil {
		return nil, err
	}
	diffs, err := compareDeployed(ctx, client, wants, o.compare)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(diffs, func(a, b functionDiff) int { return cmp.Compare(a.key(), b.key()) })
	different := slices.DeleteFunc(slices.Clone(diffs), func(d functionDiff) bool { return d.Deployed && len(d.Differences) == 0 })
	if err := printDiff(env, o, f.Paths[0], different); err != nil {
		return nil, err
	}
	if len(different) > 0 {
		return fmt.Errorf("differences found in %d of %d functions", len(different), len(diffs)), nil
	}
	return nil, nil
}

// deployments maps the functions of f as deploy does.
func deployments(ctx context.Context, env *Env, f *stack.File, t target, o diffOptions) ([]schema.FunctionDeployment, error) {
	image := env.imageNamer(o.tag)
	var errs []error
	out := make([]schema.FunctionDeployment, len(f.Functions))
	for i := range f.Functions {
		fn := &f.Functions[i]
		namespace := env.namespaceAt(o.gateway, t, fn.Namespace)
		name, err := image(ctx, fn)
		if err == nil {
			out[i], err = fn.Deployment(stack.Overrides{Image: name, Namespace: namespace, Dir: env.Dir})
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// compareDeployed asks the gateway once for each namespace.
func compareDeployed(ctx context.Context, client *gateway.Client, wants []schema.FunctionDeployment, o stack.CompareOptions) ([]functionDiff, error) {
	deployed := map[string]map[string]schema.FunctionStatus{} // namespace, name
	diffs := make([]functionDiff, 0, len(wants))
	for _, want := range wants {
		here, asked := deployed[want.Namespace]
		if !asked {
			list, err := client.Functions(ctx, want.Namespace)
			if err != nil {
				return nil, err
			}
			here = make(map[string]schema.FunctionStatus, len(list))
			for _, s := range list {
				if want.Namespace == "" || s.Namespace == "" || s.Namespace == want.Namespace {
					here[s.Name] = s
				}
			}
			deployed[want.Namespace] = here
		}
		d := functionDiff{Name: want.Service, Namespace: want.Namespace, Differences: []stack.Difference{}}
		if got, ok := here[want.Service]; ok {
			d.Deployed = true
			d.Differences = append(d.Differences, stack.Compare(want, got, o)...)
		}
		diffs = append(diffs, d)
	}
	return diffs, nil
}

// printDiff prints the functions that differ.
func printDiff(env *Env, o diffOptions, path string, diffs []functionDiff) error {
	out := env.Term.Out
	if o.format != output.Table && o.format != output.Wide {
		p := output.Printer[functionDiff]{Format: o.format, Name: functionDiff.key}
		return p.List(out, diffs)
	}
	if len(diffs) == 0 {
		return env.resultf("%s matches the deployment, no differences found.", path)
	}
	for _, d := range diffs {
		if err := diffTable(env.Term, path, d); err != nil {
			return err
		}
	}
	return nil
}

// diffTable prints one function: the stack file on the left, the gateway on
// the right.
func diffTable(t *term.Terminal, path string, d functionDiff) error {
	const minField, minColumn = 6, 40
	show := func(s string) string {
		return term.Sanitize(strings.NewReplacer("\r", `\r`, "\n", `\n`, "\t", `\t`).Replace(s))
	}
	type cells struct{ left, right string }
	var rows []cells
	if !d.Deployed {
		rows = append(rows, cells{"- function: defined in " + path, "+ function: not deployed"})
	}
	field := minField
	for _, x := range d.Differences {
		field = max(field, utf8.RuneCountInString(show(x.Field))+1)
	}
	cell := func(sign, name string, value *string) string {
		if value == nil {
			return ""
		}
		return sign + " " + pad(show(name)+":", field) + " " + show(*value)
	}
	for _, x := range d.Differences {
		rows = append(rows, cells{cell("-", x.Field, x.Stack), cell("+", x.Field, x.Deployed)})
	}
	left, right := minColumn, minColumn
	for _, r := range rows {
		left, right = max(left, utf8.RuneCountInString(r.left)), max(right, utf8.RuneCountInString(r.right))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s | %s\n", t.Paint(t.Out, term.Bold, d.key()), pad(path, left), pad("deployed", right))
	fmt.Fprintf(&b, "  %s-+-%s\n", strings.Repeat("-", left), strings.Repeat("-", right))
	for _, r := range rows {
		fmt.Fprintf(&b, "  %s | %s\n", t.Paint(t.Out, term.Red, pad(r.left, left)), t.Paint(t.Out, term.Green, pad(r.right, right)))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// pad fills s up to width characters.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
