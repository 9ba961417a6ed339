package commands

import (
	"github.com/spf13/cobra"
)

func newTemplateStoreCmd(env *Env) *cobra.Command {
	cmd := newGroupCmd("store",
		"Browse template stores and pull from them",
		`Browse template stores and pull templates from them.

A store is a list of templates behind a URL: that of --url, or of
$OPENFAAS_TEMPLATE_STORE_URL, or the one of OpenFaaS. Several URLs may be
given, separated by commas; an earlier one wins.`,
		"  faas-cli template store list\n  faas-cli template store describe golang-middleware\n  faas-cli template store pull openfaas/golang-middleware",
		newTemplateStoreListCmd(env),
		newTemplateStoreDescribeCmd(env),
		newTemplateStorePullCmd(env),
	)
	leadingSwitch(cmd, "overwrite", true)
	leadingSwitch(cmd, "debug", false)
	return cmd
}

// templateStoreFlags say which stores are meant.
type templateStoreFlags struct {
	urls    string
	offline bool
}

// registerURL adds --url.
func (o *templateStoreFlags) registerURL(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.urls, "url", "u", "", "`URL` of the template store, several separated by commas (default $OPENFAAS_TEMPLATE_STORE_URL, or that of OpenFaaS)")
}
