package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/plugin"
)

func newPluginCmd(env *Env) *cobra.Command {
	return newGroupCmd("plugin", "Get plugins",
		`Get plugins, which are programs that become commands of faas-cli.

A regular, executable file in $HOME/.openfaas/plugins called NAME is run by
"faas-cli NAME". It cannot take the place of a command that faas-cli has.`,
		"  faas-cli plugin get pro\n  faas-cli pro --help",
		newPluginGetCmd(env),
	)
}

// exitNoPlugin is the exit code for a plugin that cannot be started, as in a
// shell.
const exitNoPlugin = 127

// runPlugin runs the plugin that the command line names, if it does: the first
// word after the global flags, unless faas-cli has a command of that name.
// Where there is no such plugin, ok is false.
func runPlugin(ctx context.Context, env *Env, root *cobra.Command, args []string) (ok bool, err error) {
	name, rest, ok := firstWord(args)
	if !ok || env.home() == "" || isBuiltin(root, name) {
		return false, nil
	}
	path, ok, err := plugin.Find(plugin.Dir(env.home()), name)
	if !ok || err != nil {
		return err != nil, err
	}
	err = execPlugin(ctx, path, rest, env)
	var own *exitError
	if err != nil && !errors.As(err, &own) {
		err = &codeError{error: fmt.Errorf("run plugin %q: %w", name, err), code: exitNoPlugin}
	}
	return true, err
}

// codeError is an error with an exit code of its own.
type codeError struct {
	error
	code int
}

func (e *codeError) Unwrap() error { return e.error }
func (e *codeError) exitCode() int { return e.code }

var _ exitCoder = (*codeError)(nil)

// firstWord finds the first argument that is no flag, and what follows it.
// Only global flags may stand before it.
func firstWord(args []string) (word string, rest []string, ok bool) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-f", arg == "--yaml", arg == "--filter", arg == "--regex":
			i++ // its value
		case strings.HasPrefix(arg, "-f"), strings.HasPrefix(arg, "--yaml="), strings.HasPrefix(arg, "--filter="), strings.HasPrefix(arg, "--regex="):
		case strings.HasPrefix(arg, "-"):
			return "", nil, false
		default:
			return arg, args[i+1:], true
		}
	}
	return "", nil, false
}

func isBuiltin(root *cobra.Command, name string) bool {
	for _, c := range root.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return true
		}
	}
	// cobra adds these when it runs.
	return name == "help" || name == cobra.ShellCompRequestCmd || name == cobra.ShellCompNoDescRequestCmd
}
