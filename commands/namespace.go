package commands

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/schema"
)

func newNamespaceCmd(env *Env) *cobra.Command {
	cmd := newGroupCmd("namespace", "Manage the namespaces that functions live in",
		`Manage the namespaces that functions can be deployed to. Not every gateway has
more than one.`,
		"  faas-cli namespace list\n  faas-cli namespace create dev --label team=core",
		newNamespaceListCmd(env),
		newNamespaceGetCmd(env),
		newNamespaceCreateCmd(env),
		newNamespaceUpdateCmd(env),
		newNamespaceRemoveCmd(env),
	)
	cmd.Aliases = []string{"ns"}
	leadingSwitch(cmd, "tls-no-verify", false)
	return cmd
}

// newNamespacesCmd is the old name of namespace list.
func newNamespacesCmd(env *Env) *cobra.Command {
	cmd := newNamespaceListCmd(env)
	cmd.Use, cmd.Aliases = "namespaces", nil
	cmd.Hidden = true
	cmd.Example = "  faas-cli namespaces"
	list := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		env.progressf("note: namespaces is now called namespace list")
		return list(cmd, args)
	}
	return cmd
}

// namespaceMaps are the flags for what is attached to a namespace.
type namespaceMaps struct {
	labels      []string
	annotations []string
}

func (o *namespaceMaps) register(cmd *cobra.Command) {
	listVar(cmd.Flags(), &o.labels, "label", "l", "label `KEY=VALUE` (repeatable)")
	listVar(cmd.Flags(), &o.annotations, "annotation", "", "annotation `KEY=VALUE` (repeatable)")
}

func (o namespaceMaps) namespace(name string) (schema.FunctionNamespace, error) {
	labels, err := parsePairs("label", o.labels)
	if err != nil {
		return schema.FunctionNamespace{}, err
	}
	annotations, err := parsePairs("annotation", o.annotations)
	if err != nil {
		return schema.FunctionNamespace{}, err
	}
	return schema.FunctionNamespace{Name: name, Labels: labels, Annotations: annotations}, nil
}

// describeMap prints a map as a block below its title, by key.
func describeMap(env *Env, title string, m map[string]string) string {
	text := title + ":\n"
	for _, key := range slices.Sorted(maps.Keys(m)) {
		text += fmt.Sprintf(" %s: %s\n", env.shown(key), env.shown(m[key]))
	}
	return text
}
