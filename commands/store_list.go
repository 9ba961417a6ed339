package commands

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

type storeListOptions struct {
	store   *storeFlags
	format  formatFlags
	verbose bool
}

func newStoreListCmd(env *Env, store *storeFlags) *cobra.Command {
	o := storeListOptions{store: store}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the functions of the store",
		Long:    "List the functions of the store that have an image for the platform.",
		Example: "  faas-cli store list\n  faas-cli store list --platform arm64 --verbose\n  faas-cli store list --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.store.complete(cmd)
			return runStoreList(cmd.Context(), env, o)
		},
	}
	o.format.register(cmd)
	store.registerTimeout(cmd)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "do not shorten descriptions")
	return cmd
}

// storeTitle is how much of a description a table shows, in characters.
const storeTitle = 40

func runStoreList(ctx context.Context, env *Env, o storeListOptions) error {
	all, err := env.functionStore(ctx, *o.store)
	if err != nil {
		return err
	}
	here := functionstore.ForPlatform(all, o.store.platform)
	if len(here) == 0 && o.format.table() {
		return env.resultf("%s", noStoreFunctions(o.store.platform, all))
	}
	title := func(fn schema.FunctionStoreEntry) string {
		text := []rune(env.shown(fn.Title))
		if !o.verbose && len(text) > storeTitle {
			return string(text[:storeTitle-3]) + "..."
		}
		return string(text)
	}
	return output.Printer[schema.FunctionStoreEntry]{
		Format: o.format.format(),
		Name:   func(fn schema.FunctionStoreEntry) string { return env.shown(fn.Name) },
		Columns: []output.Column[schema.FunctionStoreEntry]{
			{Header: "FUNCTION", Value: func(fn schema.FunctionStoreEntry) string { return env.shown(fn.Name) }},
			{Header: "AUTHOR", Value: func(fn schema.FunctionStoreEntry) string { return cmp.Or(env.shown(fn.Author), "unknown") }},
			{Header: "DESCRIPTION", Value: title},
			{Header: "IMAGE", Wide: true, Value: func(fn schema.FunctionStoreEntry) string {
				return env.shown(functionstore.Image(fn, o.store.platform))
			}},
		},
	}.List(env.Term.Out, here)
}
