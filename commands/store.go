package commands

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/schema"
)

const storeURLUsage = "`URL` or file of the function store (default $OPENFAAS_STORE, or that of OpenFaaS)"

// storeFlags say which function store is read, and for which platform.
type storeFlags struct {
	url      string
	explicit bool // --url was given
	platform string
	timeout  time.Duration // of the whole fetch; 0: no limit
}

// registerTimeout adds --timeout. Commands without it use the default.
func (o *storeFlags) registerTimeout(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.timeout, "timeout", gateway.DefaultTimeout, "longest `time` to fetch the store; 0 is no limit")
}

// complete reads what only the parsed command line knows.
func (o *storeFlags) complete(cmd *cobra.Command) {
	o.explicit = cmd.Flags().Changed("url") && o.url != "" // as from -u "$UNSET"
	if o.platform == "" {
		o.platform = functionstore.DefaultPlatform(runtime.GOOS, runtime.GOARCH)
	}
}

func newStoreCmd(env *Env) *cobra.Command {
	o := storeFlags{timeout: gateway.DefaultTimeout}
	cmd := newGroupCmd("store", "Find and deploy ready-made functions",
		`Find and deploy the functions of a store: the one of the OpenFaaS project unless
--url or OPENFAAS_STORE names another, by URL or as a file.`,
		"  faas-cli store list\n  faas-cli store deploy figlet",
		newStoreDeployCmd(env, &o),
		newStoreDescribeCmd(env, &o),
		newStoreListCmd(env, &o),
	)
	f := cmd.PersistentFlags()
	f.StringVarP(&o.url, "url", "u", "", storeURLUsage)
	f.StringVarP(&o.platform, "platform", "p", "", "only functions with an image for this `platform`, such as x86_64 or arm64")
	return cmd
}

// functionStore reads the store that is meant: --url, else OPENFAAS_STORE,
// else the project's own.
func (e *Env) functionStore(ctx context.Context, o storeFlags) ([]schema.FunctionStoreEntry, error) {
	if o.timeout < 0 {
		return nil, usagef("--timeout %s: want 0 or more", o.timeout)
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not complete within %s", o.timeout))
		defer cancel()
	}
	location := cmp.Or(o.url, functionstore.DefaultURL)
	if fromEnv := e.get("OPENFAAS_STORE"); !o.explicit && fromEnv != "" {
		location = fromEnv
	}
	if !strings.Contains(location, "://") {
		location = e.abs(location)
	}
	return functionstore.Fetch(ctx, e.httpClient(), location)
}

// storeFunction finds a function of the store by name or title.
func (e *Env) storeFunction(ctx context.Context, o storeFlags, name string) (schema.FunctionStoreEntry, error) {
	all, err := e.functionStore(ctx, o)
	if err != nil {
		return schema.FunctionStoreEntry{}, err
	}
	fn, err := functionstore.Find(all, name, o.platform)
	if err != nil {
		return fn, withHint(err, "faas-cli store list shows what there is; platforms: %s", strings.Join(functionstore.Platforms(all), ", "))
	}
	return fn, nil
}

// noStoreFunctions is what a person reads instead of an empty list.
func noStoreFunctions(platform string, all []schema.FunctionStoreEntry) string {
	return fmt.Sprintf("No functions found in the store for platform '%s', try one of the following: %s",
		platform, strings.Join(functionstore.Platforms(all), ", "))
}
