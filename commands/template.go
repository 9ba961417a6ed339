package commands

import "github.com/spf13/cobra"

func newTemplateCmd(env *Env) *cobra.Command {
	return newGroupCmd("template",
		"Find, pull and write templates",
		`Find, pull and pin templates of functions, and write new ones.

A template is a folder in ./template. template.lock, beside the stack file,
says where each came from and what its content is: commit it, and every clone
of the project builds the same bytes.`,
		"  faas-cli template store list\n  faas-cli template store pull python3-http\n  faas-cli template pull https://github.com/openfaas/golang-http-template#0.9.0\n  faas-cli template list",
		newTemplatePullCmd(env),
		newTemplateStoreCmd(env),
		newTemplateListCmd(env),
		newTemplateRemoveCmd(env),
		newTemplateOutdatedCmd(env),
		newTemplateUpdateCmd(env),
		newTemplateCacheCmd(env),
		newTemplateLinkCmd(env),
		newTemplateTrustCmd(env),
		newTemplateNewCmd(env),
		newTemplateLintCmd(env),
		newTemplateTestCmd(env),
	)
}
