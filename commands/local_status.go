package commands

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/local"
)

type localStatusOptions struct{ format output.Format }

func newLocalStatusCmd(env *Env) *cobra.Command {
	o := localStatusOptions{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the local platform runs, and where",
		Long: `Show whether the local platform runs, where, and which functions wait for a
container engine that is away. Exit code 1 when it does not run.`,
		Example: "  faas-cli local status\n  faas-cli local status --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLocalStatus(cmd.Context(), env, o)
		},
	}
	registerFormat(cmd, &o.format)
	return cmd
}

func runLocalStatus(ctx context.Context, env *Env, o localStatusOptions) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	in, err := local.Discover(dir)
	if err != nil {
		return withHint(err, "faas-cli local start")
	}
	if err := in.Prove(ctx, env.proofClient()); err != nil {
		return err
	}
	runtimes, err := in.Runtimes(ctx, env.proofClient())
	if err != nil {
		return err
	}
	env.warnWaiting(runtimes)
	return statusPrinter(o.format, dir).One(env.Term.Out, localStatus{in, runtimes})
}

// warnWaiting says which functions have no replica because what would run them is away.
func (e *Env) warnWaiting(runtimes []local.RuntimeState) {
	for _, rt := range runtimes {
		if len(rt.Waiting) > 0 {
			e.warnf("%s; these wait for it and come back with it: %s", rt.Away, strings.Join(rt.Waiting, ", "))
		}
	}
}

// localStatus is what is known of a platform that runs.
type localStatus struct {
	local.Instance
	Runtimes []local.RuntimeState `json:"runtimes,omitempty"` // none: its version does not tell
}

func statusPrinter(f output.Format, dir string) output.Printer[localStatus] {
	type row = localStatus
	return output.Printer[row]{Format: f, Name: func(r row) string { return r.URL() }, Columns: []output.Column[row]{
		{Header: "Gateway", Value: func(r row) string { return r.URL() }},
		{Header: "Registry", Value: func(r row) string {
			if r.Registry == "" {
				return "-"
			}
			return r.Registry
		}},
		{Header: "Runtime", Value: func(r row) string { return r.Runtime }},
		{Header: "Process", Value: func(r row) string { return strconv.Itoa(r.PID) }},
		{Header: "Instance", Wide: true, Value: func(r row) string { return r.ID }},
		{Header: "Version", Wide: true, Value: func(r row) string { return r.Version }},
		{Header: "State", Wide: true, Value: func(row) string { return dir }},
	}}
}
