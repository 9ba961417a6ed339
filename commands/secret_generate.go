package commands

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/output"
)

type secretGenerateOptions struct {
	length int
	output string
	force  bool
	format formatFlags
}

// maxGenerated bounds a generated secret, in random bytes.
const maxGenerated = 1 << 20

func newSecretGenerateCmd(env *Env) *cobra.Command {
	var o secretGenerateOptions
	cmd := &cobra.Command{
		Use:     "generate",
		Aliases: []string{"gen"},
		Short:   "Make a random value for a secret",
		Long: `Print random bytes in base64, for use as a password or key. With --output they
go into a private file instead, without a newline.`,
		Example: `  faas-cli secret generate | faas-cli secret create session-key
  faas-cli secret generate --length 64 --output .secrets/session-key
  faas-cli secret generate --json`,
		Args: noArgs,
		RunE: func(_ *cobra.Command, _ []string) error { return runSecretGenerate(env, o) },
	}
	o.format.registerJSON(cmd)
	f := cmd.Flags()
	f.IntVar(&o.length, "length", 32, "random `bytes`, before base64")
	f.StringVarP(&o.output, "output", "o", "", "write to a `file` instead of standard output")
	f.BoolVar(&o.force, "force", false, "overwrite the file if it exists")
	return cmd
}

func runSecretGenerate(env *Env, o secretGenerateOptions) error {
	if o.length < 1 || o.length > maxGenerated {
		return usagef("--length must be from 1 to %d, got %d", maxGenerated, o.length)
	}
	random := make([]byte, o.length)
	_, _ = rand.Read(random) // never fails
	text := base64.StdEncoding.EncodeToString(random)
	if o.output == "" && !o.format.table() {
		return output.WriteJSON(env.Term.Out, generatedSecret{Length: o.length, Value: text})
	}
	if o.output == "" {
		if env.Term.OutTTY {
			text += "\n"
		}
		_, err := io.WriteString(env.Term.Out, text)
		return err
	}
	path := env.abs(o.output)
	if _, err := os.Lstat(path); !o.force && !errors.Is(err, fs.ErrNotExist) {
		return withHint(fmt.Errorf("%q exists already", o.output), "--force overwrites it")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(path, 0o600, []byte(text)); err != nil {
		return err
	}
	return printResult(env, o.format, generatedSecret{Length: o.length, File: o.output}, o.output,
		sprintf("Wrote %d-byte secret to %s", o.length, o.output))
}

// generatedSecret is what secret generate prints for programs.
type generatedSecret struct {
	Length int    `json:"length"`          // random bytes
	Value  string `json:"value,omitempty"` // base64; where it went to no file
	File   string `json:"file,omitempty"`
}
