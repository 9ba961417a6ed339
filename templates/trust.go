package templates

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// Trust is what the user trusts: contents of templates whose local block may
// be used, and folders outside of projects that templates are linked from. It
// lives in the user's own data directory, a file each, never in a project. A
// nil Trust trusts nothing. It is safe for concurrent use, also by several
// processes.
type Trust struct{ dir string }

// OpenTrust returns the trust recorded in dir, which need not exist.
func OpenTrust(dir string) *Trust { return &Trust{dir: dir} }

// A TrustRecord says what was trusted when; nothing is decided on it.
type TrustRecord struct {
	Template string    `json:"template"`
	Source   string    `json:"source,omitempty"`
	Digest   string    `json:"digest"`
	Since    time.Time `json:"since"`
}

// Has says whether the content is trusted.
func (t *Trust) Has(digest string) (bool, error) {
	if t == nil {
		return false, nil
	}
	path, err := t.path(digest)
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Add records that the content is trusted.
func (t *Trust) Add(r TrustRecord) error {
	path, err := t.path(r.Digest)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return fmt.Errorf("record trust: %w", err)
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o600, append(data, '\n'))
}

// Remove forgets that the content is trusted, and says whether it was.
func (t *Trust) Remove(digest string) (bool, error) {
	path, err := t.path(digest)
	if err != nil {
		return false, err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// path is the file that records trust in the digest, "sha256:" and 64 digits.
func (t *Trust) path(digest string) (string, error) {
	hexa, ok := strings.CutPrefix(digest, digestPrefix)
	if !ok || len(hexa) != 64 || strings.Trim(hexa, "0123456789abcdef") != "" {
		return "", fmt.Errorf("digest %q is not sha256: and 64 hexadecimal digits", digest)
	}
	return filepath.Join(t.dir, hexa+".json"), nil
}

// allows says whether the local block of a template on disk may be used. Only
// templates that have one are read for it.
func (t *Trust) allows(tpl Template) (bool, error) {
	if tpl.Config.Local == nil {
		return false, nil
	}
	d, err := tpl.Digest()
	if err != nil {
		return false, err
	}
	if isEmbeddedDigest(d) {
		return true, nil
	}
	return t.Has(d)
}
