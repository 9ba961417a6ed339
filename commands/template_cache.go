package commands

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/templates"
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

func newTemplateCacheListCmd(env *Env) *cobra.Command {
	var format output.Format
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what is in the cache",
		Long:    "List what is in the cache, most recently used first.",
		Example: "  faas-cli template cache list\n  faas-cli template cache list --output json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runTemplateCacheList(env, format) },
	}
	registerFormat(cmd, &format)
	return cmd
}

func runTemplateCacheList(env *Env, format output.Format) error {
	cache, clean, err := env.templateCache()
	if err != nil {
		return err
	}
	defer func() { _ = clean() }()
	rows, err := cache.Entries()
	if err != nil {
		return err
	}
	type row = templates.CacheEntry
	return output.Printer[row]{Format: format, Name: func(r row) string { return r.Digest },
		Columns: []output.Column[row]{
			{Header: "Template", Value: func(r row) string { return env.shown(r.Template) }},
			{Header: "Commit", Value: func(r row) string { return env.shown(templates.ShortID(r.Commit)) }},
			{Header: "Files", Value: func(r row) string { return fmt.Sprint(r.Files) }},
			{Header: "KiB", Value: func(r row) string { return fmt.Sprint((r.Bytes + 1023) / 1024) }},
			{Header: "Used", Value: func(r row) string { return r.Used.UTC().Format(time.RFC3339) }},
			{Header: "Repository", Value: func(r row) string { return env.shown(r.Repository) }},
			{Header: "Digest", Wide: true, Value: func(r row) string { return r.Digest }},
		}}.List(env.Term.Out, rows)
}

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
	return env.resultf("Removed %d template(s), %d KiB", removed, (freed+1023)/1024)
}

func newTemplateCacheVerifyCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that everything in the cache is what it should be",
		Long: `Read everything in the cache and compare it with its digest. What is damaged is
removed, to be fetched again when it is needed; the exit code is then 1.`,
		Example: "  faas-cli template cache verify",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runTemplateCacheVerify(env) },
	}
}

func runTemplateCacheVerify(env *Env) error {
	cache, clean, err := env.templateCache()
	if err != nil {
		return err
	}
	defer func() { _ = clean() }()
	damaged, err := cache.Verify()
	if err != nil {
		return err
	}
	if len(damaged) > 0 {
		return errors.New("damaged, and removed from the cache: " + strings.Join(damaged, ", "))
	}
	return env.resultf("The template cache is sound.")
}

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
