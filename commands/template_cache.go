package commands

import (
	"github.com/spf13/cobra"
)

func newTemplateCacheCmd(env *Env) *cobra.Command {
	return newGroupCmd("cache",
		"Look after the cache of templates",
		`Look after the cache of templates, which all projects of a user share. What is
in it is verified each time it is used; all of it can be fetched again.`,
		"  faas-cli template cache list\n  faas-cli template cache prune --older-than 720h",
		newTemplateCacheListCmd(env),
		newTemplateCachePruneCmd(env),
		newTemplateCacheVerifyCmd(env),
		newTemplateCachePathCmd(env),
	)
}
