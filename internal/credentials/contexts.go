package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/filelock"
)

// contextsName is a file of its own beside config.yml, since the original
// client drops keys that it does not know when it saves a login.
const contextsName = "contexts.yml"

// Context is a gateway with a name.
type Context struct {
	Name      string `yaml:"name" json:"name"`
	Gateway   string `yaml:"gateway" json:"gateway"`                         // normalised URL
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"` // empty: the gateway's default
	TLS       TLS    `yaml:"tls,omitempty" json:"tls,omitzero"`
}

// TLS says how the gateway's certificate is checked and which one is shown to
// it. Paths are absolute.
type TLS struct {
	CAFile   string `yaml:"ca_file,omitempty" json:"ca_file,omitempty"`     // PEM; trusted besides the system's
	CertFile string `yaml:"cert_file,omitempty" json:"cert_file,omitempty"` // PEM, of the client
	KeyFile  string `yaml:"key_file,omitempty" json:"key_file,omitempty"`   // PEM, of CertFile
	NoVerify bool   `yaml:"no_verify,omitempty" json:"no_verify,omitempty"` // do not check the certificate
}

// Contexts are the named gateways of a user.
type Contexts struct {
	Current  string    `yaml:"current,omitempty"` // name of one of them, or empty
	Contexts []Context `yaml:"contexts"`          // in the order in which they were added
}

// Find returns the context of that name.
func (c Contexts) Find(name string) (Context, bool) {
	for _, x := range c.Contexts {
		if x.Name == name {
			return x, true
		}
	}
	return Context{}, false
}

// ContextsPath is where contexts.yml is, or would be.
func (s Store) ContextsPath() string { return filepath.Join(s.Dir, contextsName) }

// Contexts reads the named gateways; without a file there are none.
func (s Store) Contexts() (Contexts, error) {
	text, err := os.ReadFile(s.ContextsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return Contexts{}, nil
	}
	if err != nil {
		return Contexts{}, err
	}
	var c Contexts
	if err := yaml.Unmarshal(text, &c); err != nil {
		return Contexts{}, fmt.Errorf("read %q: %w", s.ContextsPath(), err)
	}
	return c, nil
}

// EditContexts changes the named gateways under a lock and replaces the file
// whole. An error of change leaves it as it is.
func (s Store) EditContexts(ctx context.Context, change func(*Contexts) error) error {
	if err := s.prepareDir(); err != nil {
		return err
	}
	lock, err := filelock.Exclusive(ctx, filepath.Join(s.Dir, lockName))
	if err != nil {
		return err
	}
	defer lock.Release()
	c, err := s.Contexts()
	if err != nil {
		return err
	}
	if err := change(&c); err != nil {
		return err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(c), enc.Close()); err != nil {
		return fmt.Errorf("write %q: %w", s.ContextsPath(), err)
	}
	return atomicfile.WriteBytes(s.ContextsPath(), filePerm, b.Bytes())
}
