package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

type secretKeygenOptions struct {
	output string
	force  bool
	format formatFlags
}

func newSecretKeygenCmd(env *Env) *cobra.Command {
	var o secretKeygenOptions
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key pair for sealed secrets",
		Long: `Make a key pair for sealed secrets: FILE, to be kept, and FILE.pub, to give to
those who seal. What was sealed for a lost private key is lost, so existing
files are kept unless --force says otherwise.`,
		Example: "  faas-cli secret keygen\n  faas-cli secret keygen --output ~/keys/builder --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runSecretKeygen(env, o) },
	}
	o.format.registerJSON(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "key", "`file` of the private key")
	f.BoolVar(&o.force, "force", false, "overwrite existing keys")
	return cmd
}

func runSecretKeygen(env *Env, o secretKeygenOptions) error {
	private, public := env.abs(o.output), env.abs(o.output+".pub")
	if !o.force {
		if err := errors.Join(mustNotExist(private, o.output), mustNotExist(public, o.output+".pub")); err != nil {
			return err
		}
	}
	key, err := builder.NewSealKey()
	if err != nil {
		return err
	}
	pub, err := key.Public()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(private), 0o700); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(private, 0o600, []byte(key.Encode())); err != nil {
		return err
	}
	if err := atomicfile.UpdateBytes(public, 0o644, []byte(pub.String())); err != nil {
		return err
	}
	keys := keyPair{PrivateKey: o.output, PublicKey: o.output + ".pub", KeyID: pub.ID()}
	return printResult(env, o.format, keys, o.output, sprintf(
		"Wrote private key: %s\nWrote public key:  %s\nKey ID:            %s", keys.PrivateKey, keys.PublicKey, keys.KeyID))
}

// keyPair is what secret keygen prints for programs.
type keyPair struct {
	PrivateKey string `json:"privateKey"` // a file
	PublicKey  string `json:"publicKey"`  // a file
	KeyID      string `json:"keyID"`
}

// mustNotExist refuses to overwrite a file (KB-58).
func mustNotExist(path, name string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return withHint(fmt.Errorf("%q exists already", name), "--force overwrites it")
	}
	return nil
}
