package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/chart"
)

type chartExportOptions struct {
	name      string
	output    string
	values    []string
	set       []string
	crds      bool
	namespace string
	release   string
	format    formatFlags
}

func newChartExportCmd(env *Env) *cobra.Command {
	o := chartExportOptions{name: "openfaas"}
	cmd := &cobra.Command{
		Use:   "export [CHART]",
		Short: "Render a chart into one file per resource",
		Long: `Render the chart in chart/CHART (default: openfaas) with helm, and write each
resource to KIND/NAME.yaml in the output folder, for a GitOps tool to apply.

What an earlier export wrote there and the chart no longer has is removed; other
files in the folder stay.`,
		Example: "  faas-cli chart export\n  faas-cli chart export openfaas -o ./yaml --namespace openfaas --values values-pro.yaml --json",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			return runChartExport(cmd.Context(), env, o)
		},
	}
	o.format.registerJSON(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "./yaml", "`folder` to write to")
	listVar(f, &o.values, "values", "", "values `file` for helm (repeatable)")
	listVar(f, &o.set, "set", "", "`KEY=VALUE` for helm (repeatable)")
	f.BoolVar(&o.crds, "crds", true, "include custom resource definitions")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of the release")
	f.StringVar(&o.release, "release", "openfaas", "`name` of the release")
	return cmd
}

func runChartExport(ctx context.Context, env *Env, o chartExportOptions) error {
	helm, err := exec.LookPath("helm")
	if err != nil {
		return withHint(errors.New("helm is required but was not found in PATH"), "install it: https://helm.sh/docs/intro/install")
	}
	dir := filepath.Join("chart", o.name)
	if info, err := os.Stat(env.abs(dir)); err != nil || !info.IsDir() {
		return fmt.Errorf("chart folder not found: %s", dir)
	}
	out := env.abs(o.output)
	if err := chart.CheckTarget(out, env.Dir, env.home()); err != nil {
		return err
	}
	args := []string{"template", o.release, dir}
	if o.crds {
		args = append(args, "--include-crds")
	}
	for _, v := range o.values {
		args = append(args, "-f", v)
	}
	for _, s := range o.set {
		args = append(args, "--set", s)
	}
	if o.namespace != "" {
		args = append(args, "--namespace", o.namespace)
	}
	env.progressf("Running: helm %s", strings.Join(args, " "))
	rendered, err := runHelm(ctx, env, helm, args)
	if err != nil {
		return err
	}
	resources, err := chart.Split(rendered)
	if err != nil {
		return err
	}
	if err := chart.Export(out, resources); err != nil {
		return err
	}
	exported := exportedChart{Folder: out, Resources: make([]string, len(resources))}
	var lines strings.Builder
	for i, r := range resources {
		exported.Resources[i] = r.Path
		fmt.Fprintf(&lines, "  wrote %s\n", r.Path)
	}
	fmt.Fprintf(&lines, "\nExported %d resources to %s", len(resources), out)
	return printResult(env, o.format, exported, out, lines.String())
}

// exportedChart is what chart export prints for programs.
type exportedChart struct {
	Folder    string   `json:"folder"`
	Resources []string `json:"resources"` // files, relative to the folder
}

func runHelm(ctx context.Context, env *Env, helm string, args []string) (*bytes.Buffer, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, helm, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = env.Dir, env.Environ(), &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return nil, fmt.Errorf("helm template: %w: %s", err, text)
		}
		return nil, fmt.Errorf("helm template: %w", err)
	}
	return &stdout, nil
}
