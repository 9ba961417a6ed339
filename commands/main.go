package commands

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// Main runs one command line and returns the exit code. A signal is expected
// to cancel ctx with Signalled as the cause; its error is then the one that is
// printed, whichever call noticed it first.
func Main(ctx context.Context, env *Env, args []string) int {
	args = followFlag(args)
	word := ""
	if len(args) > 0 {
		word = args[0]
	}
	root := newRootCmd(env, word)
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		registerCompletions(env, root) // only now: it visits every flag of every command
	}
	root.SetArgs(args)
	var cmd = root
	ok, err := runPlugin(ctx, env, root, args)
	if !ok {
		cmd, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return 0
	}
	err = unknownCommand(root, args, err)
	var own *exitError
	if interrupted(ctx) && !errors.As(err, &own) {
		err = context.Cause(ctx)
	}
	env.report(err, cmd.CommandPath())
	return exitCode(err)
}

// unknownCommand prefers to name a command that does not exist to complaining
// about its flags, which only that command could have known.
func unknownCommand(root *cobra.Command, args []string, err error) error {
	var usage *UsageError
	if !errors.As(err, &usage) {
		return err
	}
	cmd, rest, findErr := root.Find(args)
	if findErr != nil || !cmd.HasSubCommands() || cmd.Args == nil || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return err
	}
	if unknown := cmd.Args(cmd, rest[:1]); unknown != nil { // some that hold others take arguments too
		return unknown
	}
	return err
}
