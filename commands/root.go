package commands

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faas-cli/faas-cli/internal/spelling"
	"github.com/faas-cli/faas-cli/internal/term"
)

// newRootCmd builds the command tree, or that of the one command whose name or
// alias word is: to build all of them takes longer than many a command runs. It
// touches nothing outside the process.
func newRootCmd(env *Env, word string) *cobra.Command {
	root := &cobra.Command{
		Use:   "faas-cli",
		Short: "Write, build, ship and run OpenFaaS functions",
		Long: `Write, build, ship and run OpenFaaS functions, on any OpenFaaS gateway or,
with no cluster at all, on this machine.

  faas-cli local start
  faas-cli new hello --lang golang-middleware
  faas-cli up
  echo world | faas-cli invoke hello

A stack file (-f, --yaml) says what there is to build and deploy; --filter and
--regex choose functions of it.`,
		Example:       "  faas-cli new hello --lang python3-http\n  faas-cli up -f hello.yml",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := writeLine(env.Term.Out, logo(env.Term)); err != nil {
				return err
			}
			return cmd.Help()
		},
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(env.Term.In)
	root.SetOut(env.Term.Out)
	root.SetErr(env.Term.Err)
	root.SetFlagErrorFunc(flagError)
	acceptStackFlags(root)
	root.AddGroup(
		&cobra.Group{ID: groupWrite, Title: "Write and build:"},
		&cobra.Group{ID: groupRun, Title: "Deploy and run:"},
		&cobra.Group{ID: groupPlatform, Title: "Platforms and settings:"},
	)
	all := commandTable()
	if i := slices.IndexFunc(all, func(c command) bool { return slices.Contains(strings.Fields(c.names), word) }); i >= 0 {
		all = all[i : i+1]
	}
	for _, c := range all {
		cmd := c.build(env)
		cmd.GroupID = c.group
		root.AddCommand(cmd)
	}
	root.SetHelpCommand(newHelpCmd(env))
	root.SetHelpCommandGroupID(groupPlatform)
	return root
}

// The groups of the root help.
const (
	groupWrite    = "write"
	groupRun      = "run"
	groupPlatform = "platform"
)

// command is a row of the table of commands.
type command struct {
	group string // empty: hidden, for old scripts
	names string // and aliases
	build func(*Env) *cobra.Command
}

func commandTable() []command {
	return []command{
		{groupWrite, "build", newBuildCmd},
		{groupWrite, "chart", newChartCmd},
		{groupWrite, "generate", newGenerateCmd},
		{groupWrite, "local-run", newLocalRunCmd},
		{groupWrite, "new", newNewCmd},
		{groupWrite, "publish", newPublishCmd},
		{groupWrite, "push", newPushCmd},
		{groupWrite, "stack", newStackCmd},
		{groupWrite, "template", newTemplateCmd},
		{groupWrite, "up", newUpCmd},
		{groupRun, "deploy", newDeployCmd},
		{groupRun, "describe", newDescribeCmd},
		{groupRun, "diff", newDiffCmd},
		{groupRun, "invoke", newInvokeCmd},
		{groupRun, "list ls", newListCmd},
		{groupRun, "logs", newLogsCmd},
		{groupRun, "namespace ns", newNamespaceCmd},
		{groupRun, "ready", newReadyCmd},
		{groupRun, "remove rm delete", newRemoveCmd},
		{groupRun, "scale", newScaleCmd},
		{groupRun, "secret", newSecretCmd},
		{groupRun, "store", newStoreCmd},
		{groupPlatform, "completion", newCompletionCmd},
		{groupPlatform, "context", newContextCmd},
		{groupPlatform, "doctor", newDoctorCmd},
		{groupPlatform, "local", newLocalCmd},
		{groupPlatform, "login", newLoginCmd},
		{groupPlatform, "logout", newLogoutCmd},
		{groupPlatform, "plugin", newPluginCmd},
		{groupPlatform, "registry-login", newRegistryLoginCmd},
		{groupPlatform, "version", newVersionCmd},
		{"", "namespaces", newNamespacesCmd},
		{"", "bashcompletion", newBashCompletionCmd},
		{"", "print-token", newPrintTokenCmd},
	}
}

// newGroupCmd returns a command that only holds others: alone it prints its
// help, and a name that it does not have is a usage error (exit code 2).
func newGroupCmd(use, short, long, example string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// leadingSwitch lets a switch of a group's commands stand before the command's
// name too, where cobra has to know that it takes no value. Commands without a
// use for it accept it, as the original does.
func leadingSwitch(group *cobra.Command, name string, value bool) {
	group.PersistentFlags().Bool(name, value, "for the commands that have it")
	_ = group.PersistentFlags().MarkHidden(name) // it exists
}

// flagError makes an error of the flags one of usage, and guesses which flag a
// misspelt one was meant to be.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var shown []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				shown = append(shown, f.Name)
			}
		})
		if near := spelling.Nearest(unknown.GetSpecifiedName(), shown); near != "" {
			err = fmt.Errorf("%w, did you mean --%s?", err, near)
		}
	}
	return &UsageError{Err: err}
}

// noArgs refuses arguments. For a command that holds others the argument is
// the name of one that it does not have.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		err := usagef("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
		if f := cmd.Flag("filter"); f != nil && !f.Hidden {
			return withHint(err, "choose functions with --filter, as in --filter %s", args[0])
		}
		return err
	}
	cmd.SuggestionsMinimumDistance = 2 // two letters wrong, or the wrong way round
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q for %q, did you mean %s?", args[0], cmd.CommandPath(), strings.Join(near, " or "))
	}
	return usagef("unknown command %q for %q", args[0], cmd.CommandPath())
}

// exactArgs wants one argument for each name, which the message uses.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s wants %s", cmd.CommandPath(), names[len(args)])
		case len(args) > len(names):
			return usagef("%s wants %s and nothing else, got also %s", cmd.CommandPath(), strings.Join(names, " and "), quoteAll(args[len(names):]))
		}
		if i := slices.Index(args, ""); i >= 0 {
			return emptyArg(cmd, names[i])
		}
		return nil
	}
}

// emptyArg is the error of an argument such as "$UNSET". To take it for none
// would often mean something else: all functions, or the gateway itself.
func emptyArg(cmd *cobra.Command, name string) error {
	return usagef("%s: %s is empty", cmd.CommandPath(), name)
}

// optionalArg allows one argument that has the name, which the message uses.
func optionalArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] == "" {
			return emptyArg(cmd, name)
		}
		return atMostOne(cmd, args)
	}
}

// atMostOne allows one argument.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one argument at most, got also %s", cmd.CommandPath(), quoteAll(args[1:]))
	}
	return nil
}

func quoteAll(words []string) string {
	quoted := slices.Clone(words)
	for i, w := range quoted {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, ", ")
}

// logo is printed above the root help and by version.
func logo(t *term.Terminal) string {
	const text = `  __                         _ _
 / _| __ _  __ _ ___     ___| (_)
| |_ / _' |/ _' / __|___/ __| | |
|  _| (_| | (_| \__ \___| (__| | |
|_|  \__,_|\__,_|___/    \___|_|_|
`
	return t.Paint(t.Out, term.Blue, text)
}
