package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// Records is what the user's state folder remembers of builds: images whose
// label does not tell what they hold, because a file changed under the build.
// A nil *Records remembers nothing. It is safe for concurrent use, also by
// several processes.
type Records struct {
	// Dir need not exist.
	Dir string
}

// keepRecords is how long a record is kept; by then the image is history.
const keepRecords = 90 * 24 * time.Hour

func (r *Records) path(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("digest %q: %w", d, err)
	}
	return filepath.Join(r.Dir, d.Encoded()), nil
}

// distrust notes that the label of the image is not to be relied on.
func (r *Records) distrust(d digest.Digest) error {
	if r == nil || d == "" {
		return nil
	}
	path, err := r.path(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return fmt.Errorf("note a build: %w", err)
	}
	r.forget()
	return atomicfile.WriteBytes(path, 0o600, nil)
}

// distrusts says whether that was noted.
func (r *Records) distrusts(d digest.Digest) bool {
	if r == nil || d == "" {
		return false
	}
	path, err := r.path(d)
	if err != nil {
		return true
	}
	_, err = os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// forget removes old records; one that stays does no harm.
func (r *Records) forget() {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > keepRecords {
			_ = os.Remove(filepath.Join(r.Dir, e.Name()))
		}
	}
}
