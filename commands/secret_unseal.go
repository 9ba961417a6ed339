package commands

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/output"
)

type secretUnsealOptions struct {
	keyFile string
	in      string
	key     string
	format  formatFlags
}

func newSecretUnsealCmd(env *Env) *cobra.Command {
	var o secretUnsealOptions
	cmd := &cobra.Command{
		Use:   "unseal PRIVATE-KEY-FILE",
		Short: "Print sealed secrets",
		Long: `Print the secrets of an envelope as NAME=VALUE lines by name, or the bare value
of one with --key.

JSON and YAML cannot hold bytes that are not text; such a value is an error
there, and --key prints it as it is.`,
		Example: "  faas-cli secret unseal key\n  faas-cli secret unseal key --key api_key > api_key",
		Args:    exactArgs("the FILE of a private key"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.keyFile = args[0]
			return runSecretUnseal(env, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.in, "in", sealedFile, "`file` with the envelope")
	f.StringVar(&o.key, "key", "", "print the value of this `name` alone, without a newline")
	o.format.register(cmd)
	return cmd
}

func runSecretUnseal(env *Env, o secretUnsealOptions) error {
	text, err := os.ReadFile(env.abs(o.keyFile))
	if err != nil {
		return err
	}
	key, err := builder.ParseSealPrivateKey(string(text))
	if err != nil {
		return fmt.Errorf("%q: %w", o.keyFile, err)
	}
	sealed, err := os.ReadFile(env.abs(o.in))
	if err != nil {
		return err
	}
	var names []string
	if o.key != "" {
		names = []string{o.key}
	}
	values, err := builder.Unseal(key, sealed, names...)
	if err != nil {
		return fmt.Errorf("%q: %w", o.in, err)
	}
	var b bytes.Buffer
	switch format := o.format.format(); {
	case format == output.JSON || format == output.YAML:
		return printSecrets(env, format, values)
	case format == output.Name:
		for _, name := range slices.Sorted(maps.Keys(values)) {
			b.WriteString(name + "\n")
		}
	case o.key != "":
		b.Write(values[o.key])
	default:
		for _, name := range slices.Sorted(maps.Keys(values)) {
			fmt.Fprintf(&b, "%s=%s\n", name, values[name])
		}
	}
	_, err = env.Term.Out.Write(b.Bytes())
	return err
}

// printSecrets prints an object of names and texts.
func printSecrets(env *Env, format output.Format, values map[string][]byte) error {
	texts := make(map[string]string, len(values))
	for name, value := range values {
		if !utf8.Valid(value) {
			return withHint(fmt.Errorf("the value of %q is not text, which is all that %s can hold", name, strings.ToUpper(string(format))), "print it alone with --key %s", name)
		}
		texts[name] = string(value)
	}
	if format == output.YAML {
		return output.WriteYAML(env.Term.Out, texts)
	}
	return output.WriteJSON(env.Term.Out, texts)
}
