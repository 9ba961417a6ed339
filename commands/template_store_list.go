package commands

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

type templateStoreListOptions struct {
	store       templateStoreFlags
	platform    string
	recommended bool
	official    bool
	verbose     bool
	format      formatFlags
}

func newTemplateStoreListCmd(env *Env) *cobra.Command {
	o := templateStoreListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the templates of the store",
		Long: `List the templates of the store: recommended ones first, then official ones,
then by name. JSON and YAML have the templates of all platforms.`,
		Example: "  faas-cli template store list\n  faas-cli template store list --recommended --verbose\n  faas-cli template store list --platform arm64",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runTemplateStoreList(cmd.Context(), env, o)
		},
	}
	o.store.registerURL(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.store.offline, "offline", false, "show what the store had when it was last asked")
	f.StringVarP(&o.platform, "platform", "p", "x86_64", "only templates for the `platform`")
	f.BoolVarP(&o.recommended, "recommended", "r", false, "only recommended templates")
	f.BoolVarP(&o.official, "official", "o", false, "only official templates; no effect with --recommended")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show language and platform too")
	registerLongFormat(cmd, &o.format.output)
	registerJSON(cmd, &o.format.json)
	return cmd
}

func runTemplateStoreList(ctx context.Context, env *Env, o templateStoreListOptions) error {
	cache, clean, err := env.templateCache()
	if err != nil {
		return err
	}
	defer func() { _ = clean() }()
	format := o.format.format()
	if o.verbose && format == output.Table {
		format = output.Wide
	}
	entries, err := env.templateStores(o.store.urls, cache, o.store.offline, storeTimeout).List(ctx)
	if err != nil && len(entries) == 0 {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e schema.TemplateStoreEntry) bool {
		switch {
		case o.recommended && !e.Recommended, !o.recommended && o.official && e.Official != "true":
			return true
		}
		return format != output.JSON && format != output.YAML && !strings.EqualFold(e.Platform, o.platform)
	})
	if printErr := templateStorePrinter(env, format).List(env.Term.Out, entries); printErr != nil {
		return printErr
	}
	return err // of those of several stores that could not be asked
}

func templateStorePrinter(env *Env, format output.Format) output.Printer[schema.TemplateStoreEntry] {
	type row = schema.TemplateStoreEntry
	return output.Printer[row]{Format: format, Name: func(r row) string { return env.shown(r.Template) },
		Columns: []output.Column[row]{
			{Header: "NAME", Value: func(r row) string { return env.shown(r.Template) }},
			{Header: "RECOMMENDED", Value: func(r row) string { return checkbox(r.Recommended) }},
			{Header: "SOURCE", Value: func(r row) string { return env.shown(r.Source) }},
			{Header: "DESCRIPTION", Value: func(r row) string { return env.shown(r.Description) }},
			{Header: "LANGUAGE", Wide: true, Value: func(r row) string { return env.shown(r.Language) }},
			{Header: "PLATFORM", Wide: true, Value: func(r row) string { return env.shown(r.Platform) }},
		}}
}

func checkbox(checked bool) string {
	if checked {
		return "[x]"
	}
	return "[ ]"
}
