package commands

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/output"
)

type secretUnsealOptions struct {
	keyFile string
	in      string
	key     string
	json    bool
}

func newSecretUnsealCmd(env *Env) *cobra.Command {
	var o secretUnsealOptions
	cmd := &cobra.Command{
		Use:   "unseal PRIVATE-KEY-FILE",
		Short: "Print sealed secrets",
		Long: `Print the secrets of an envelope as NAME=VALUE lines by name, or the bare value of
one with --key.

JSON cannot hold bytes that are not text; such a value is an error with --json,
and --key prints it as it is.`,
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
	f.BoolVarP(&o.json, "json", "j", false, "print a JSON object")
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
	switch {
	case o.json:
		return printSecretsJSON(env, values)
	case o.key != "":
		_, err := env.Term.Out.Write(values[o.key])
		return err
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%s=%s\n", name, values[name])
	}
	_, err = env.Term.Out.Write(b.Bytes())
	return err
}

func printSecretsJSON(env *Env, values map[string][]byte) error {
	texts := make(map[string]string, len(values))
	for name, value := range values {
		if !utf8.Valid(value) {
			return withHint(fmt.Errorf("the value of %q is not text, which is all that JSON can hold", name), "print it alone with --key %s", name)
		}
		texts[name] = string(value)
	}
	return output.WriteJSON(env.Term.Out, texts)
}
