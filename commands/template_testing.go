package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
)

type templateTestOptions struct {
	dir      string
	builder  builderName
	parallel int
	timeout  time.Duration
	format   output.Format
	junit    string
}

func newTemplateTestCmd(env *Env) *cobra.Command {
	o := templateTestOptions{dir: "."}
	cmd := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Build and run a template's handlers, and check their answers",
		Long: `Build the starter handler of a template and each handler below test/handlers,
run them, send the requests of test.yml and check the answers. It also checks
that the function becomes healthy, stays within the memory limit, answers on
SIGTERM what it was asked before and then ends by itself, does not run as root,
and in a container that it works with a read-only file system and as a user that
it does not know.

DIR is a template, or a folder that has templates below template/ (default: the
current folder). Without a container engine only templates with a local block
can be tested. --builder native builds and runs the template's code on this
machine as you, whether or not you trust the template.`,
		Example: "  faas-cli template test\n  faas-cli template test template/rust-axum --junit report.xml\n  faas-cli template test --builder native --output json",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.dir = args[0]
			}
			if err := checkParallel(o.parallel); err != nil {
				return err
			}
			return runTemplateTest(cmd.Context(), env, o)
		},
	}
	f := cmd.Flags()
	o.builder.register(cmd)
	f.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "test up to `n` handlers at once")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "`time` until a function must be healthy, and for each request")
	registerFormat(cmd, &o.format)
	f.StringVar(&o.junit, "junit", "", "write a JUnit report to `file` as well")
	return cmd
}

// The outcomes of a check.
const (
	testPassed  = "pass"
	testFailed  = "fail"
	testSkipped = "skip"
)

// templateCheck is one thing that was tested.
type templateCheck struct {
	Template string        `json:"template"`
	Handler  string        `json:"handler"`
	Check    string        `json:"check"`
	Status   string        `json:"status"`
	Message  string        `json:"message,omitempty"`
	Took     time.Duration `json:"nanoseconds"`
}

func runTemplateTest(ctx context.Context, env *Env, o templateTestOptions) error {
	dirs, err := templateFolders(env.abs(o.dir))
	if err != nil {
		return err
	}
	t, err := env.newTemplateTester(o)
	if err != nil {
		return err
	}
	defer t.Close()
	var jobs []*templateTest
	for _, dir := range dirs {
		found, err := t.plan(dir)
		if len(dirs) > 1 && errors.Is(err, fs.ErrNotExist) {
			env.warnf("%v; it is not tested", err)
			continue
		}
		if err != nil {
			return withHint(err, "docs/templates.md describes test.yml")
		}
		jobs = append(jobs, found...)
	}
	if len(jobs) == 0 {
		return withHint(errors.New("no template has a test.yml, so nothing is tested"), "docs/templates.md describes test.yml")
	}
	var g errgroup.Group
	g.SetLimit(o.parallel)
	for _, j := range jobs {
		g.Go(func() error {
			env.progressf("Testing %s with handler %s.", j.template.Name, j.spec.Name)
			j.run(ctx)
			return nil // what failed is among its checks
		})
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	checks := []templateCheck{}
	failed := 0
	for _, j := range jobs {
		checks = append(checks, j.checks...)
		for _, c := range j.checks {
			if c.Status == testFailed {
				failed++
			}
		}
	}
	if err := errors.Join(printTemplateChecks(env, o.format, checks), writeJUnit(env, o.junit, checks)); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("template test: %d of %d checks failed", failed, len(checks))
	}
	return nil
}

func printTemplateChecks(env *Env, format output.Format, checks []templateCheck) error {
	type row = templateCheck
	style := map[string]term.Style{testPassed: term.Green, testFailed: term.Red, testSkipped: term.Faint}
	if format == output.Table || format == output.Wide {
		var b strings.Builder
		for _, c := range checks {
			fmt.Fprintf(&b, "%s %s %s: %s (%s)\n", env.Term.Paint(env.Term.Out, style[c.Status], c.Status), c.Template, c.Handler, env.shown(c.Check), c.Took.Round(time.Millisecond))
			for line := range strings.Lines(c.Message) {
				fmt.Fprintf(&b, "     %s\n", env.shown(strings.TrimRight(line, "\n")))
			}
		}
		_, err := io.WriteString(env.Term.Out, b.String())
		return err
	}
	return output.Printer[row]{Format: format, Name: func(r row) string { return r.Template + " " + r.Handler + ": " + r.Check }}.List(env.Term.Out, checks)
}

// writeJUnit writes the checks as a JUnit report, if one is wanted.
func writeJUnit(env *Env, path string, checks []templateCheck) error {
	if path == "" {
		return nil
	}
	report, err := junitReport(checks)
	if err != nil {
		return err
	}
	return atomicfile.UpdateBytes(filepath.Clean(env.abs(path)), 0o644, report)
}
