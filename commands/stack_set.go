package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/stack"
)

type stackSetOptions struct {
	stack stackFlags
	pairs [][2]string
}

func newStackSetCmd(env *Env) *cobra.Command {
	o := stackSetOptions{}
	cmd := &cobra.Command{
		Use:   "set PATH=VALUE...",
		Short: "Change values of the stack file",
		Long: `Change or add values of the stack file. A PATH is

  functions.NAME.KEY           such as image, handler, skip_build
  functions.NAME.KEY.ENTRY     of environment, labels, annotations, limits, …
  functions.NAME.secrets       and other lists, values separated by commas
  provider.gateway

All changes are made, or none.`,
		Example: `  faas-cli stack set functions.api.image=ghcr.io/me/api:2
  faas-cli stack set functions.api.labels.com.openfaas.scale.min=2 functions.api.limits.memory=128Mi
  faas-cli stack set 'functions.api.secrets=db-password, api-key'`,
		Args: minArgs(1, "PATH=VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stack.complete(cmd)
			o.pairs = nil
			for _, arg := range args {
				path, value, ok := strings.Cut(arg, "=")
				if !ok {
					return usagef("%q: want PATH=VALUE", arg)
				}
				o.pairs = append(o.pairs, [2]string{strings.TrimSpace(path), value})
			}
			return runStackSet(cmd.Context(), env, o)
		},
	}
	o.stack.registerFile(cmd)
	return cmd
}

func runStackSet(_ context.Context, env *Env, o stackSetOptions) error {
	path, err := env.editStack(o.stack, func(path string, text []byte) ([]byte, error) {
		var err error
		for _, p := range o.pairs {
			if text, err = stack.Set(path, text, p[0], p[1]); err != nil {
				return nil, err
			}
		}
		return text, nil
	})
	if err != nil {
		return err
	}
	return env.resultf("Stack file updated: %s", path)
}
