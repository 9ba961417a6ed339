package commands

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

func newStoreDescribeCmd(env *Env, store *storeFlags) *cobra.Command {
	var format formatFlags
	cmd := &cobra.Command{
		Use:     "describe NAME",
		Aliases: []string{"inspect"},
		Short:   "Show what the store knows of a function",
		Long:    "Show what the store knows of a function, given by its name or its title.",
		Example: "  faas-cli store describe figlet\n  faas-cli store inspect \"Node Info\" --output json",
		Args:    exactArgs("the NAME or title of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store.complete(cmd)
			return runStoreDescribe(cmd.Context(), env, *store, format, args[0])
		},
	}
	format.register(cmd)
	store.registerTimeout(cmd)
	return cmd
}

func runStoreDescribe(ctx context.Context, env *Env, store storeFlags, format formatFlags, name string) error {
	fn, err := env.storeFunction(ctx, store, name)
	if err != nil {
		return err
	}
	switch format.format() {
	case output.JSON:
		return output.WriteJSON(env.Term.Out, fn)
	case output.YAML:
		return output.WriteYAML(env.Term.Out, fn)
	case output.Name:
		return env.resultf("%s", env.shown(fn.Name))
	}
	return env.resultf("%s", env.shown(describeStoreFunction(fn, store.platform)))
}

const (
	storeLabel = 13 // columns of a label
	storeWrap  = 80 // columns of a description
)

func describeStoreFunction(fn schema.FunctionStoreEntry, platform string) string {
	var b bytes.Buffer
	line := func(label, value string) { fmt.Fprintf(&b, "%-*s%s\n", storeLabel, label+":", value) }
	line("Title", fn.Title)
	line("Author", cmp.Or(fn.Author, "unknown"))
	line("Description", strings.Join(wrap(fn.Description, storeWrap-storeLabel), "\n"+strings.Repeat(" ", storeLabel)))
	line("Image", functionstore.Image(fn, platform))
	line("Process", fn.FProcess)
	line("Repo URL", fn.RepoURL)
	list := func(label string, m map[string]string) {
		if len(m) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s:\n", label)
		for _, key := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, "- %s: %s\n", key, m[key])
		}
	}
	list("Environment", fn.Environment)
	list("Labels", fn.Labels)
	list("Annotations", fn.Annotations)
	return strings.TrimRight(b.String(), "\n")
}

// wrap breaks text between words into lines of at most width characters; a
// longer word has a line of its own.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len([]rune(*last))+1+len([]rune(word)) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
