package commands

import (
	"bytes"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// shells are those that completion writes scripts for.
func shells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

func newCompletionCmd(env *Env) *cobra.Command {
	var shell string
	cmd := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long: `Print a script that completes commands, flags and names (functions, namespaces,
secrets, templates, the store) in bash, zsh, fish or PowerShell.

  bash       source <(faas-cli completion bash)
  zsh        faas-cli completion zsh > "${fpath[1]}/_faas-cli"
  fish       faas-cli completion fish > ~/.config/fish/completions/faas-cli.fish
  PowerShell faas-cli completion powershell | Out-String | Invoke-Expression`,
		Example:   "  faas-cli completion bash\n  faas-cli completion --shell zsh",
		ValidArgs: shells(),
		Args:      atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if shell != "" && shell != args[0] {
					return usagef("--shell %s and %q contradict each other", shell, args[0])
				}
				shell = args[0]
			}
			return writeCompletion(env.Term.Out, cmd.Root(), shell)
		},
	}
	cmd.Flags().StringVar(&shell, "shell", "", "the `shell`: "+strings.Join(shells(), ", "))
	// The flag exists, so this cannot fail.
	_ = cmd.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(shells(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func writeCompletion(w io.Writer, root *cobra.Command, shell string) error {
	switch strings.ToLower(shell) {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell", "pwsh":
		return root.GenPowerShellCompletionWithDesc(w)
	case "":
		return usagef("which shell? Give one of %s, or --shell", strings.Join(shells(), ", "))
	}
	return usagef("shell %q is not supported, want one of %s", shell, strings.Join(shells(), ", "))
}

func newBashCompletionCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "bashcompletion FILE",
		Short:   "Write a completion script for bash to a file",
		Long:    "Write a completion script for bash to a file. Deprecated: use completion bash.",
		Example: "  faas-cli bashcompletion ~/.faas-completion",
		Hidden:  true,
		Args:    exactArgs("the FILE to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			// cobra's own notice would go to standard output.
			env.progressf(`Command "bashcompletion" is deprecated, use "faas-cli completion bash"`)
			var script bytes.Buffer
			if err := writeCompletion(&script, cmd.Root(), "bash"); err != nil {
				return err
			}
			return atomicfile.UpdateBytes(env.abs(args[0]), 0o644, script.Bytes())
		},
	}
}
