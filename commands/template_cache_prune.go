package commands

import (
	"time"

	"github.com/spf13/cobra"
)

func newTemplateCachePruneCmd(env *Env) *cobra.Command {
	var olderThan time.Duration
	cmd := &cobra.Command{
		Use:     "prune",
		Short:   "Remove what was not used lately",
		Long:    "Remove from the cache what was not used for a time; with --older-than 0 all of\nit.",
		Example: "  faas-cli template cache prune\n  faas-cli template cache prune --older-than 0",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if olderThan < 0 {
				return usagef("--older-than must not be negative")
			}
			return runTemplateCachePrune(env, olderThan)
		},
	}
	const month = 30 * 24 * time.Hour
	cmd.Flags().DurationVar(&olderThan, "older-than", month, "keep what was used within this `time`")
	return cmd
}

func runTemplateCachePrune(env *Env, olderThan time.Duration) error {
	cache, clean, err := env.templateCache()
	if err != nil {
		return err
	}
	defer func() { _ = clean() }()
	since := env.Now().Add(-olderThan)
	if olderThan == 0 {
		since = env.Now().Add(time.Hour) // clocks of file systems differ
	}
	removed, freed, err := cache.Prune(since)
	if err != nil {
		return err
	}
	return env.resultf("Removed %s, %d KiB", count(removed, "template"), (freed+1023)/1024)
}
