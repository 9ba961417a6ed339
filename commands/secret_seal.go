package commands

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// sealedFile is where sealed secrets are unless said otherwise: the name that
// the remote builder looks for.
const sealedFile = "com.openfaas.secrets"

type secretSealOptions struct {
	key      string // file of the public key
	literals []string
	files    []string
	output   string
	force    bool
	format   formatFlags
}

func newSecretSealCmd(env *Env) *cobra.Command {
	var o secretSealOptions
	cmd := &cobra.Command{
		Use:   "seal PUBLIC-KEY-FILE",
		Short: "Seal secrets for the owner of a key",
		Long: `Write an envelope with secrets that only the owner of the key can open. The
names of the secrets are in the clear.`,
		Example: `  faas-cli secret seal key.pub --from-literal api_key=s3cret --from-file npmrc=$HOME/.npmrc`,
		Args:    exactArgs("the FILE of a public key"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.key = args[0]
			return runSecretSeal(env, o)
		},
	}
	o.format.registerJSON(cmd)
	f := cmd.Flags()
	listVar(f, &o.literals, "from-literal", "", "`NAME=VALUE` to seal (repeatable)")
	listVar(f, &o.files, "from-file", "", "`NAME=FILE` whose content to seal (repeatable)")
	f.StringVarP(&o.output, "output", "o", sealedFile, "`file` to write")
	f.BoolVar(&o.force, "force", false, "overwrite an existing file")
	return cmd
}

func runSecretSeal(env *Env, o secretSealOptions) error {
	values, err := o.values(env)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(env.abs(o.key))
	if err != nil {
		return err
	}
	key, err := builder.ParseSealPublicKey(string(text))
	if err != nil {
		return fmt.Errorf("%q: %w", o.key, err)
	}
	path := env.abs(o.output)
	if !o.force {
		if err := mustNotExist(path, o.output); err != nil {
			return err
		}
	}
	sealed, err := builder.Seal(key, values)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(path, 0o600, sealed); err != nil {
		return err
	}
	return printResult(env, o.format, sealedSecrets{File: o.output, Names: slices.Sorted(maps.Keys(values)), KeyID: key.ID()}, o.output,
		sprintf("Sealed %d secret(s) to %s (key ID: %s)", len(values), o.output, key.ID()))
}

// sealedSecrets is what secret seal prints for programs.
type sealedSecrets struct {
	File  string   `json:"file"`
	Names []string `json:"names"`
	KeyID string   `json:"keyID"`
}

// values reads what is to be sealed. A literal may be empty; a name may not,
// and is given once.
func (o secretSealOptions) values(env *Env) (map[string][]byte, error) {
	values := map[string][]byte{}
	add := func(flag, pair string, read func(string) ([]byte, error)) error {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usagef("--%s: want NAME=…, with a name", flag) // the value may be a secret
		}
		if _, ok := values[name]; ok {
			return usagef("--%s: %q is given twice", flag, name)
		}
		value, err := read(text)
		values[name] = value
		return err
	}
	for _, pair := range o.literals {
		if err := add("from-literal", pair, func(s string) ([]byte, error) { return []byte(s), nil }); err != nil {
			return nil, err
		}
	}
	for _, pair := range o.files {
		if err := add("from-file", pair, func(s string) ([]byte, error) { return os.ReadFile(env.abs(s)) }); err != nil {
			return nil, err
		}
	}
	if len(values) == 0 {
		return nil, usagef("provide at least one secret via --from-literal or --from-file")
	}
	return values, nil
}
