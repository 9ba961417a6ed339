package commands

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
)

type scaleOptions struct {
	gateway gatewayFlags
	stack   stackFlags
	format  formatFlags
	wait    bool
}

func newScaleCmd(env *Env) *cobra.Command {
	var o scaleOptions
	cmd := &cobra.Command{
		Use:   "scale NAME N",
		Short: "Set the number of a function's replicas",
		Long: `Set the number of a function's replicas. With 0 it stops, and most gateways
start it again with the next invocation.`,
		Example: "  faas-cli scale hello 3 --wait\n  faas-cli scale hello 0\n  faas-cli scale hello 2 --output json",
		Args:    exactArgs("the NAME of the function", "the number N of replicas"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			return runScale(cmd.Context(), env, o, args[0], args[1])
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.format.register(cmd)
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until that many replicas are available")
	o.gateway.registerTimeoutOf(cmd, gateway.DefaultTimeout, "longest `time` for the request, and for the wait; 0 is no limit")
	return cmd
}

func runScale(ctx context.Context, env *Env, o scaleOptions, name, number string) error {
	replicas, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return usagef("the number of replicas must be 0 or more, got %q", number)
	}
	gw, namespaceOf, err := env.stackGatewayClient(ctx, o.gateway, o.stack)
	if err != nil {
		return err
	}
	namespace := namespaceOf(name)
	status, err := gw.Scale(ctx, name, namespace, replicas)
	if err != nil {
		return err
	}
	if o.wait {
		env.progressf("Waiting for %s of %s", count(int(replicas), "replica"), inNamespace(name, namespace))
		if err := waitForReplicas(ctx, gw, name, namespace, replicas, o.gateway.timeout); err != nil {
			return err
		}
	}
	return printResult(env, o.format, scaled{Name: name, Namespace: namespace, Replicas: replicas, Status: int(status)}, name,
		sprintf("Scaled: %s to %d. %s.", inNamespace(name, namespace), replicas, status))
}

// scaled is what scale prints for programs.
type scaled struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Replicas  uint64 `json:"replicas"`
	Status    int    `json:"status"` // of the accepted request
}

// waitInterval is how often functions are asked whether they are ready.
const waitInterval = 500 * time.Millisecond

// waitForReplicas returns when exactly that many replicas are available.
func waitForReplicas(ctx context.Context, gw *gateway.Client, name, namespace string, replicas uint64, limit time.Duration) error {
	return waitUntil(ctx, fmt.Sprintf("%s of function %q not available", count(int(replicas), "replica"), name), limit, func(ctx context.Context) error {
		fn, err := gw.PollFunction(ctx, name, namespace)
		if err == nil && fn.AvailableReplicas != replicas {
			err = fmt.Errorf("%d available", fn.AvailableReplicas)
		}
		return err
	})
}
