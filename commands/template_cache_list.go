package commands

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/templates"
)

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
