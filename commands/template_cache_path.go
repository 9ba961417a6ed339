package commands

import (
	"github.com/spf13/cobra"
)

func newTemplateCachePathCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "path",
		Short:   "Print where the cache is",
		Long:    "Print the folder of the cache, which is below $XDG_CACHE_HOME or ~/.cache.",
		Example: "  du -sh \"$(faas-cli template cache path)\"",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			cache, clean, err := env.templateCache()
			if err != nil {
				return err
			}
			defer func() { _ = clean() }()
			return env.resultf("%s", cache.Dir())
		},
	}
}
