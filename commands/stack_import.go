package commands

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

type stackImportOptions struct {
	gateway gatewayFlags
	file    string // -f
	names   []string
}

func newStackImportCmd(env *Env) *cobra.Command {
	o := stackImportOptions{}
	var files []string
	cmd := &cobra.Command{
		Use:   "import [NAME...]",
		Short: "Write the functions of a gateway as a stack file",
		Long: `Write the functions that are deployed on a gateway, or those named, as a stack
file: to the new file of -f, else to standard output. Secrets are named only.
faas-cli diff of the result shows no difference.`,
		Example: `  faas-cli stack import -f stack.yaml
  faas-cli stack import figlet nodeinfo --namespace dev > dev.yml`,
		Args: anyArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.names = args
			if len(files) > 1 {
				return usagef("give one -f to write to")
			}
			if len(files) == 1 {
				o.file = files[0]
			}
			return runStackImport(cmd.Context(), env, o)
		},
	}
	registerYAML(cmd, &files, "new stack `file` to write instead of standard output")
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	return cmd
}

func runStackImport(ctx context.Context, env *Env, o stackImportOptions) error {
	if o.file != "" {
		if stack.IsURL(o.file) {
			return usagef("-f %s: a URL cannot be written", o.file)
		}
		if _, err := os.Lstat(env.abs(o.file)); err == nil {
			return withHint(fmt.Errorf("write %q: the file exists", o.file), "name a new file with -f, or none for standard output")
		}
	}
	client, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	namespace := env.namespaceAt(o.gateway, t, "")
	functions, err := client.Functions(ctx, namespace)
	if err != nil {
		return err
	}
	if functions, err = chosen(functions, o.names); err != nil {
		return err
	}
	text, leftOut := stack.Import(t.url.String(), functions, namespace != "")
	for _, name := range leftOut {
		env.warnf("%s is left out: a stack file cannot hold a function of that name, or has it already", name)
	}
	if o.file == "" {
		_, err := env.Term.Out.Write(text)
		return err
	}
	if err := atomicfile.WriteBytes(env.abs(o.file), stackFilePerm, text); err != nil {
		return err
	}
	return env.resultf("Stack file written: %s, %s", o.file, count(len(functions)-len(leftOut), "function"))
}

// chosen are the functions with the given names, all for none.
func chosen(functions []schema.FunctionStatus, names []string) ([]schema.FunctionStatus, error) {
	if len(names) == 0 {
		return functions, nil
	}
	var missing []string
	for _, name := range names {
		if !slices.ContainsFunc(functions, func(s schema.FunctionStatus) bool { return s.Name == name }) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("not deployed: %s", strings.Join(missing, ", "))
	}
	return slices.DeleteFunc(functions, func(s schema.FunctionStatus) bool { return !slices.Contains(names, s.Name) }), nil
}
