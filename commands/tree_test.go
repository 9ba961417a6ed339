package commands

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/term"
)

// TestEveryCommandExplainsItself walks the tree: help is the documentation
// that people read first.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is %q; want a phrase", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.Hidden && cmd.Deprecated == "" {
			if cmd.Long == "" {
				t.Errorf("%s: no Long", cmd.CommandPath())
			}
			if !strings.Contains(cmd.Example, "faas-cli") {
				t.Errorf("%s: no Example", cmd.CommandPath())
			}
		}
		if cmd.Args == nil && !cmd.DisableFlagParsing {
			t.Errorf("%s: Args is nil, so anything is accepted", cmd.CommandPath())
		}
		if f := cmd.Flags().Lookup("json"); f != nil && cmd.Flags().Lookup("output") == nil {
			t.Errorf("%s: --json but no --output", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd(env))
}

// TestCommandsOfTheOriginalExist holds the names and aliases that scripts use.
func TestCommandsOfTheOriginalExist(t *testing.T) {
	t.Parallel()
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	root := newRootCmd(env)
	for _, path := range []string{
		"build", "publish", "push", "up", "deploy", "remove", "rm", "delete", "list", "ls", "describe", "invoke", "logs",
		"login", "logout", "namespace", "ns", "namespace list", "namespace ls", "namespace get", "namespace create",
		"namespace update", "namespace remove", "namespace rm", "namespace delete", "namespaces", "new", "local-run", "ready",
		"secret create", "secret update", "secret u", "secret remove", "secret rm", "secret delete", "secret list", "secret ls",
		"secret apply", "secret generate", "secret gen", "secret keygen", "secret seal", "secret unseal",
		"store list", "store ls", "store describe", "store inspect", "store deploy",
		"template pull", "template pull stack", "template store list", "template store ls", "template store describe", "template store pull",
		"generate", "diff", "chart export", "registry-login", "plugin get", "version", "completion", "bashcompletion", "print-token",
	} {
		words := strings.Fields(path)
		cmd, rest, err := root.Find(words)
		last := words[len(words)-1]
		if err != nil || len(rest) > 0 || cmd.Name() != last && !slices.Contains(cmd.Aliases, last) {
			t.Errorf("faas-cli %s does not exist", path)
		}
	}
}
