package runtime

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// writeSecretFiles makes the folder hold exactly the secrets. Each file appears whole. The folder and its files can be
// read by whatever user a container runs as; the folder above keeps other people out.
func writeSecretFiles(dir string, secrets map[string][]byte) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask says
		return err
	}
	for name, value := range secrets {
		if !filepath.IsLocal(name) || name != filepath.Base(name) {
			return fmt.Errorf("secret name %q is not a file name", name)
		}
		err := atomicfile.Write(filepath.Join(dir, name), 0o444, func(w io.Writer) error {
			_, err := w.Write(value)
			return err
		})
		if err != nil {
			return fmt.Errorf("secret %q: %w", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, wanted := secrets[e.Name()]; !wanted {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
