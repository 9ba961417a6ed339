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
	wait    bool
	timeout time.Duration
}

func newScaleCmd(env *Env) *cobra.Command {
	var o scaleOptions
	cmd := &cobra.Command{
		Use:   "scale NAME N",
		Short: "Set the number of a function's replicas",
		Long: `Set the number of a function's replicas. With 0 it stops, and most gateways start
it again with the next invocation.`,
		Example: "  faas-cli scale hello 3 --wait\n  faas-cli scale hello 0",
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
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until that many replicas are available")
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "longest `time` for the request, and for the wait")
	return cmd
}

func runScale(ctx context.Context, env *Env, o scaleOptions, name, count string) error {
	replicas, err := strconv.ParseUint(count, 10, 32)
	if err != nil {
		return usagef("the number of replicas must be 0 or more, got %q", count)
	}
	gw, namespaceOf, err := env.stackGatewayClient(ctx, o.gateway, o.stack)
	if err != nil {
		return err
	}
	gw = gw.WithTimeout(o.timeout)
	namespace := namespaceOf(name)
	status, err := gw.Scale(ctx, name, namespace, replicas)
	if err != nil {
		return err
	}
	if o.wait {
		env.progressf("Waiting for %d replica(s) of %s", replicas, inNamespace(name, namespace))
		if err := waitForReplicas(ctx, gw, name, namespace, replicas, o.timeout); err != nil {
			return err
		}
	}
	return env.resultf("Scaled: %s to %d. %s.", inNamespace(name, namespace), replicas, status)
}

// waitInterval is how often functions are asked whether they are ready.
const waitInterval = 500 * time.Millisecond

// waitForReplicas returns when exactly that many replicas are available.
func waitForReplicas(ctx context.Context, gw *gateway.Client, name, namespace string, replicas uint64, limit time.Duration) error {
	return waitUntil(ctx, fmt.Sprintf("%d replica(s) of function %q not available", replicas, name), limit, func(ctx context.Context) error {
		fn, err := gw.PollFunction(ctx, name, namespace)
		if err == nil && fn.AvailableReplicas != replicas {
			err = fmt.Errorf("%d available", fn.AvailableReplicas)
		}
		return err
	})
}
