package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/credentials"
)

type contextAddOptions struct {
	name      string
	gateway   string
	namespace string
	tls       credentials.TLS
	format    formatFlags
	use       bool
	force     bool
}

func newContextAddCmd(env *Env) *cobra.Command {
	var o contextAddOptions
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Give a gateway a name",
		Long:  "Give a gateway a name, with a namespace and TLS settings. The first one becomes\nthe current context.",
		Example: `  faas-cli context add dev --gateway http://127.0.0.1:8080
  faas-cli context add prod --gateway https://of.example.com --namespace shop --ca-file ca.pem --use
  faas-cli context add dev --gateway http://127.0.0.1:8080 --output json`,
		Args: exactArgs("a NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runContextAdd(cmd.Context(), env, o)
		},
	}
	o.format.register(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.gateway, "gateway", "g", "", "`URL` of the gateway")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` that commands use")
	f.StringVar(&o.tls.CAFile, "ca-file", "", "PEM `file` of certificates to trust besides the system's")
	f.StringVar(&o.tls.CertFile, "cert-file", "", "PEM `file` of the certificate to show to the gateway")
	f.StringVar(&o.tls.KeyFile, "key-file", "", "PEM `file` of that certificate's key")
	f.BoolVar(&o.tls.NoVerify, "tls-no-verify", false, "do not verify the gateway's certificate")
	f.BoolVar(&o.use, "use", false, "make it the current context")
	f.BoolVar(&o.force, "force", false, "replace an existing context of that name")
	return cmd
}

func runContextAdd(ctx context.Context, env *Env, o contextAddOptions) error {
	switch {
	case o.name == "" || strings.ContainsFunc(o.name, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }):
		return usagef("%q is not a name for a context", o.name)
	case o.gateway == "":
		return usagef("which gateway? Give --gateway URL")
	case (o.tls.CertFile == "") != (o.tls.KeyFile == ""):
		return usagef("--cert-file and --key-file go together")
	}
	u, err := normaliseGateway(o.gateway)
	if err != nil {
		return usagef("--gateway: %w", err)
	}
	if u.User != nil {
		return withHint(usagef("--gateway: the URL has a user and a password in it"), "faas-cli login saves those")
	}
	for _, p := range []*string{&o.tls.CAFile, &o.tls.CertFile, &o.tls.KeyFile} {
		if *p != "" {
			*p = env.abs(*p)
		}
	}
	if _, err := withTLS(env.Transport, o.tls); err != nil {
		return err
	}
	store, err := env.credentialStore()
	if err != nil {
		return err
	}
	row := contextRow{}
	err = store.EditContexts(ctx, func(all *credentials.Contexts) error {
		c := credentials.Context{Name: o.name, Gateway: u.String(), Namespace: o.namespace, TLS: o.tls}
		i := slices.IndexFunc(all.Contexts, func(x credentials.Context) bool { return x.Name == o.name })
		switch {
		case i < 0:
			all.Contexts = append(all.Contexts, c)
		case !o.force:
			return withHint(fmt.Errorf("context %q exists already", o.name), "--force replaces it")
		default:
			all.Contexts[i] = c
		}
		if o.use || len(all.Contexts) == 1 {
			all.Current = o.name
		}
		row = contextRow{Context: c, Current: all.Current == o.name}
		return nil
	})
	if err != nil {
		return err
	}
	line := sprintf("Context %s: %s", o.name, u)
	if row.Current {
		line += " (current)"
	}
	return printResult(env, o.format, row, o.name, line)
}
