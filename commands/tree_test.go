package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
			for line := range strings.Lines(cmd.Long) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%s: a line of Long has %d columns, want 80 at most: %s", cmd.CommandPath(), n, line)
				}
			}
		}
		if cmd.Args == nil && !cmd.DisableFlagParsing {
			t.Errorf("%s: Args is nil, so anything is accepted", cmd.CommandPath())
		}
		if f := cmd.Flags().Lookup("json"); f != nil && cmd.Flags().Lookup("output") == nil {
			t.Errorf("%s: --json but no --output", cmd.CommandPath())
		}
		if cmd.Runnable() && !cmd.HasSubCommands() && printsResults(cmd) && cmd.Flags().Lookup("output") == nil {
			t.Errorf("%s: prints results, but has no --output", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			line := pflag.NewFlagSet("", pflag.ContinueOnError)
			line.AddFlag(f)
			if help := line.FlagUsages(); strings.Count(help, "(default") > 1 {
				t.Errorf("%s --%s: help tells two defaults: %s", cmd.CommandPath(), f.Name, help)
			}
			if f.Value.Type() != "bool" && strings.Count(f.Usage, "`") != 2 {
				t.Errorf("%s --%s: no name of the value in %q", cmd.CommandPath(), f.Name, f.Usage)
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd(env, ""))
}

// TestExamplesAreCommandLines holds that whatever help shows can be typed:
// each command, flag and number of arguments exists.
func TestExamplesAreCommandLines(t *testing.T) {
	t.Parallel()
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			for _, words := range calls(line) {
				if err := parses(env, followFlag(words)); err != nil && !errors.Is(err, pflag.ErrHelp) {
					t.Errorf("example of %s: faas-cli %q: %v", cmd.CommandPath(), words, err)
				}
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd(env, ""))
}

// parses says why the arguments are no command line, short of running it.
func parses(env *Env, args []string) error {
	cmd, args, err := newRootCmd(env, args[0]).Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// calls returns the arguments of each faas-cli in a line of shell.
func calls(line string) [][]string {
	var all [][]string
	words, called := []string(nil), false
	for _, word := range append(shellWord.FindAllString(line, -1), ";") {
		switch {
		case strings.Trim(word, "|&;()<>$") == "": // the call ends, or the rest is the shell's
			if called && len(words) > 0 {
				all = append(all, words)
			}
			words, called = nil, false
		case called:
			words = append(words, strings.Trim(word, `"'`))
		default:
			called = word == "faas-cli"
		}
	}
	return all
}

// shellWord is an operator of the shell, or a word with its quoted parts.
var shellWord = regexp.MustCompile(`[|&;()<>]+|\$\(|('[^']*'|"[^"]*"|[^\s|&;()<>'"])+`)

// TestHelpListsOnlyWhatActs holds that help has no flags that the command
// ignores, while all commands take them, as with the original.
func TestHelpListsOnlyWhatActs(t *testing.T) {
	t.Parallel()
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	for command, want := range map[string]string{
		"up":                  "filter regex yaml",
		"list":                "yaml",
		"stack set":           "yaml",
		"template pull":       "yaml",
		"template pull stack": "yaml",
		"secret list":         "",
		"local start":         "",
		"context":             "",
	} {
		cmd, _, err := newRootCmd(env, "").Find(strings.Fields(command))
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.ParseFlags([]string{"-f", "x.yml", "--filter", "a", "--regex", "b"}); err != nil {
			t.Errorf("%s: %v", command, err)
		}
		var shown []string
		for _, name := range []string{"filter", "regex", "yaml"} {
			if !cmd.Flag(name).Hidden {
				shown = append(shown, name)
			}
		}
		if got := strings.Join(shown, " "); got != want {
			t.Errorf("%s: help shows %q of the flags about stack files, want %q", command, got, want)
		}
	}
}

// printsResults says that a command tells what a gateway or our settings hold,
// or what it changed there.
func printsResults(cmd *cobra.Command) bool {
	path := strings.TrimPrefix(cmd.CommandPath(), "faas-cli ")
	switch path {
	case "invoke", "stack import": // what a function answers; a stack file
		return false
	case "new", "stack add": // they write files
		return false
	}
	group, _, _ := strings.Cut(path, " ")
	return cmd.Flags().Lookup("gateway") != nil ||
		slices.Contains([]string{"context", "doctor", "namespace", "plugin", "registry-login", "secret", "store", "version"}, group)
}

// TestOriginalFlags holds the commands, aliases and flags that scripts use.
// Switches of a group may stand before the name of its command.
func TestOriginalFlags(t *testing.T) {
	t.Parallel()
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	text, err := os.ReadFile("testdata/original-flags.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		names := strings.Split(fields[0], ",")
		path := strings.Split(names[0], ".")
		for _, name := range append(names[1:], path[len(path)-1]) {
			words := append(slices.Clone(path[:len(path)-1]), name)
			cmd, rest, err := newRootCmd(env, "").Find(words)
			if err != nil || len(rest) > 0 || cmd.Name() != path[len(path)-1] {
				t.Errorf("%s: no such command (%v)", strings.Join(words, " "), err)
				continue
			}
			for _, flag := range fields[1:] {
				if err := takesFlag(cmd, words, flag); err != nil {
					t.Errorf("%s: flag %s: %v", strings.Join(words, " "), flag, err)
				}
			}
		}
	}
}

// takesFlag says whether the command, or those of a group, have the flag.
func takesFlag(cmd *cobra.Command, words []string, flag string) error {
	name, takesValue := strings.CutSuffix(flag, "=")
	shorthand, name, found := strings.Cut(name, "/")
	if !found {
		shorthand, name = "", shorthand
	}
	holder := cmd
	if cmd.HasSubCommands() && cmd.Flag(name) == nil {
		holder = cmd.Commands()[0]
		words = append(slices.Clone(words), "--"+name)
		if takesValue {
			words = append(words, "value")
		}
		if got, _, err := cmd.Root().Find(append(words, holder.Name())); err != nil || got != holder {
			return fmt.Errorf("%q is not %s (%v)", words, holder.CommandPath(), err)
		}
	}
	f := holder.Flag(name)
	switch {
	case f == nil:
		return errors.New("does not exist")
	case shorthand != "" && f.Shorthand != shorthand:
		return fmt.Errorf("has the short form %q", f.Shorthand)
	case takesValue != (f.NoOptDefVal == ""):
		return fmt.Errorf("its value is of type %s", f.Value.Type())
	}
	return nil
}

// TestCommandTableNames holds the table's names to those of the commands.
func TestCommandTableNames(t *testing.T) {
	t.Parallel()
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	for _, c := range commandTable() {
		cmd := c.build(env)
		if names := strings.Join(append([]string{cmd.Name()}, cmd.Aliases...), " "); names != c.names {
			t.Errorf("the table calls %q %q", names, c.names)
		}
		for name := range strings.FieldsSeq(c.names) {
			if found, _, err := newRootCmd(env, name).Find([]string{name}); err != nil || found.Name() != cmd.Name() {
				t.Errorf("%s finds %s (%v)", name, found.CommandPath(), err)
			}
		}
	}
}
