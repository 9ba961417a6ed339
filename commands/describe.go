package commands

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

type describeOptions struct {
	gateway gatewayFlags
	stack   stackFlags
	format  formatFlags
	verbose bool
	unused  unusedFlags
}

func newDescribeCmd(env *Env) *cobra.Command {
	var o describeOptions
	cmd := &cobra.Command{
		Use:     "describe NAME",
		Short:   "Describe a deployed function",
		Long:    "Show what the gateway knows of a function: its state, settings, usage and URLs.",
		Example: "  faas-cli describe hello\n  faas-cli describe hello --namespace dev --output json",
		Args:    exactArgs("the NAME of the function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			o.unused.warn(env, cmd)
			return runDescribe(cmd.Context(), env, o, args[0])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.format.register(cmd)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show what is empty, too")
	o.unused.register(cmd, "name")
	return cmd
}

// functionDescription is what describe prints as JSON: the function with the
// count of the list, which is why the embedded one stays 0.
type functionDescription struct {
	schema.FunctionStatus

	Status          string // Ready or Not Ready
	InvocationCount int
	URL             string
	AsyncURL        string
}

func runDescribe(ctx context.Context, env *Env, o describeOptions, name string) error {
	gw, namespaceOf, err := env.stackGatewayClient(ctx, o.gateway, o.stack)
	if err != nil {
		return err
	}
	namespace := namespaceOf(name)
	d, err := describeFunction(ctx, gw, name, namespace)
	if err != nil {
		return err
	}
	if o.format.table() {
		return env.resultf("%s", strings.TrimSuffix(describeText(env, d, o.verbose), "\n"))
	}
	return output.Printer[functionDescription]{
		Format: o.format.format(), Name: func(d functionDescription) string { return env.shown(d.Name) },
	}.One(env.Term.Out, d)
}

func describeFunction(ctx context.Context, gw *gateway.Client, name, namespace string) (functionDescription, error) {
	fn, err := gw.Function(ctx, name, namespace)
	if err != nil {
		return functionDescription{}, err
	}
	// Only the list knows how often a function was invoked.
	list, err := gw.Summaries(ctx, namespace)
	if err != nil {
		return functionDescription{}, err
	}
	fn.InvocationCount = 0
	d := functionDescription{
		FunctionStatus: fn, Status: "Not Ready",
		URL: gw.FunctionURL(name, namespace), AsyncURL: gw.AsyncURL(name, namespace),
	}
	if fn.AvailableReplicas > 0 {
		d.Status = "Ready"
	}
	d.InvocationCount = invocationsOf(list, name, cmp.Or(fn.Namespace, namespace))
	return d, nil
}

// invocationsOf finds a function in a list, which some gateways do not confine
// to the namespace that was asked for. Others name no namespaces at all.
func invocationsOf(list []gateway.Summary, name, namespace string) int {
	for _, fn := range list {
		if fn.Name == name && (fn.Namespace == "" || namespace == "" || fn.Namespace == namespace) {
			return int(fn.InvocationCount)
		}
	}
	return 0
}

// describeText is the form for people: a line for each value, a block for each
// collection.
func describeText(env *Env, d functionDescription, verbose bool) string {
	var b strings.Builder
	line := func(key string, value any) {
		fmt.Fprintf(&b, "%-20s%s\n", key+":", env.shown(fmt.Sprint(value)))
	}
	block := func(title string, lines []string) {
		switch {
		case len(lines) > 0:
			b.WriteString(title + ":\n" + strings.Join(lines, "\n") + "\n")
		case verbose:
			b.WriteString(title + ":  <none>\n")
		}
	}
	line("Name", d.Name)
	line("Status", d.Status)
	line("Replicas", d.Replicas)
	line("Available Replicas", d.AvailableReplicas)
	line("Invocations", d.InvocationCount)
	line("Image", d.Image)
	process := d.EnvProcess
	if process == "" {
		process = "<default>"
	}
	line("Function Process", process)
	line("URL", d.URL)
	line("Async URL", d.AsyncURL)
	block("Labels", mapLines(env, deref(d.Labels)))
	block("Annotations", mapLines(env, deref(d.Annotations)))
	block("Constraints", listLines(env, d.Constraints))
	block("Environment", mapLines(env, d.EnvVars))
	block("Secrets", listLines(env, d.Secrets))
	block("Requests", resourceLines(env, d.Requests))
	block("Limits", resourceLines(env, d.Limits))
	block("Usage", usageLines(d.Usage))
	return b.String()
}

func usageLines(u *schema.FunctionUsage) []string {
	if u == nil {
		return nil
	}
	const megabyte = 1 << 20
	return []string{
		fmt.Sprintf("  RAM:  %.2f MB", u.TotalMemoryBytes/megabyte),
		fmt.Sprintf("  CPU:  %.0f Mi", u.CPU),
	}
}

func mapLines(env *Env, m map[string]string) []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, " "+env.shown(key)+": "+env.shown(m[key]))
	}
	return lines
}

func listLines(env *Env, list []string) []string {
	var lines []string
	for _, item := range list {
		lines = append(lines, " - "+env.shown(item))
	}
	return lines
}

func resourceLines(env *Env, r *schema.FunctionResources) []string {
	if r == nil || *r == (schema.FunctionResources{}) {
		return nil
	}
	lines := []string{" CPU: " + env.shown(r.CPU), " Memory: " + env.shown(r.Memory)}
	for _, gpu := range []struct{ name, amount string }{
		{"NVIDIA GPU", r.NvidiaGPU}, {"AMD GPU", r.AMDGPU}, {"Intel GPU", r.IntelGPU},
	} {
		if gpu.amount != "" {
			lines = append(lines, " "+gpu.name+": "+env.shown(gpu.amount))
		}
	}
	return lines
}

func deref(m *map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	return *m
}
