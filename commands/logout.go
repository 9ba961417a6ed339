package commands

import (
	"context"

	"github.com/spf13/cobra"
)

func newLogoutCmd(env *Env) *cobra.Command {
	var g gatewayFlags
	var format formatFlags
	cmd := &cobra.Command{
		Use:     "logout",
		Short:   "Remove the saved credentials of a gateway",
		Long:    "Remove what login saved for a gateway. Other gateways' credentials stay.",
		Example: "  faas-cli logout\n  faas-cli logout --gateway https://of.example.com --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g.complete(cmd)
			return runLogout(cmd.Context(), env, g, format)
		},
	}
	g.registerAddress(cmd)
	format.register(cmd)
	_ = cmd.Flags().MarkHidden("tls-no-verify") // nobody is called
	return cmd
}

func runLogout(ctx context.Context, env *Env, g gatewayFlags, format formatFlags) error {
	t, err := env.resolveTarget(g, "")
	if err != nil {
		return err
	}
	store, err := env.credentialStore()
	if err != nil {
		return err
	}
	t.url.User = nil
	if err := store.Remove(ctx, t.url.String()); err != nil {
		return err
	}
	return printResult(env, format, account{Gateway: t.url.String()}, t.url.String(), sprintf("credentials removed for %s", t.url))
}
