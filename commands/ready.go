package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
)

type readyOptions struct {
	gateway  gatewayFlags
	stack    stackFlags
	format   formatFlags
	attempts int
	interval time.Duration
}

func newReadyCmd(env *Env) *cobra.Command {
	var o readyOptions
	cmd := &cobra.Command{
		Use:   "ready [NAME]",
		Short: "Wait until the gateway or a function is ready",
		Long: `Wait until the gateway says that it is healthy or, with a NAME, until that
function has a replica that can answer.`,
		Example: `  faas-cli ready && faas-cli deploy
  faas-cli ready hello --attempts 30 --interval 2s
  faas-cli ready hello --output json`,
		Args: optionalArg("the NAME of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			return runReady(cmd.Context(), env, o, name)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	o.format.register(cmd)
	cmd.Flags().IntVar(&o.attempts, "attempts", 60, "ask up to `n` times")
	cmd.Flags().DurationVar(&o.interval, "interval", time.Second, "`time` between two attempts")
	return cmd
}

func (o readyOptions) validate() error {
	if o.attempts < 1 {
		return usagef("--attempts must be at least 1, got %d", o.attempts)
	}
	if o.interval < 0 {
		return usagef("--interval must not be negative, got %s", o.interval)
	}
	return nil
}

func runReady(ctx context.Context, env *Env, o readyOptions, name string) error {
	if err := o.validate(); err != nil {
		return err
	}
	gw, namespaceOf, err := env.stackGatewayClient(ctx, o.gateway, o.stack)
	if err != nil {
		return err
	}
	what, namespace := "gateway", ""
	ask := gw.Health
	if name != "" {
		namespace = namespaceOf(name)
		what = "function " + inNamespace(name, namespace)
		ask = func(ctx context.Context) error { return askFunction(ctx, gw, name, namespace) }
	}
	start := env.Now()
	err = poll(ctx, o.attempts, o.interval, ask, func(i int) {
		env.progressf("[%d/%d] Waiting for %s", i, o.attempts, what)
	})
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%s not ready after %s in %s: %w", what, count(o.attempts, "attempt"),
			env.Now().Sub(start).Round(time.Millisecond), err)
	}
	r := readiness{Gateway: gw.BaseURL(), Name: name, Namespace: namespace, Ready: true}
	if name == "" {
		return printResult(env, o.format, r, r.Gateway, "OpenFaaS gateway is ready")
	}
	return printResult(env, o.format, r, name, sprintf("Function %s is ready", name))
}

// readiness is what ready prints for programs.
type readiness struct {
	Gateway   string `json:"gateway"`
	Name      string `json:"name,omitempty"` // of the function; empty: the gateway itself
	Namespace string `json:"namespace,omitempty"`
	Ready     bool   `json:"ready"`
}

// errNotAvailable: the function is there, and none of its replicas are.
var errNotAvailable = errors.New("no replica is available")

func askFunction(ctx context.Context, gw *gateway.Client, name, namespace string) error {
	fn, err := gw.PollFunction(ctx, name, namespace)
	if err == nil && fn.AvailableReplicas == 0 {
		err = errNotAvailable
	}
	return err
}

// poll asks until the answer is nil, up to attempts times, and returns the last
// one. It does not wait after it.
func poll(ctx context.Context, attempts int, interval time.Duration, ask func(context.Context) error, before func(i int)) error {
	for i := 1; ; i++ {
		before(i)
		err := ask(ctx)
		if err == nil || i == attempts || hopeless(err) {
			return err
		}
		if err := sleep(ctx, interval); err != nil {
			return err
		}
	}
}

// hopeless: waiting will not help.
func hopeless(err error) bool {
	var name *gateway.NameError
	return errors.Is(err, gateway.ErrUnauthorized) || errors.Is(err, gateway.ErrUntrusted) || errors.As(err, &name)
}
