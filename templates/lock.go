package templates

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// LockFile is the name of the lock file, beside the stack file.
const LockFile = "template.lock"

// lockVersion is the version of its format.
const lockVersion = 1

// embeddedSource is the source of templates that come with the program.
const embeddedSource = "embedded"

// A Lock pins the templates of a project: what was asked for, which commit
// that was, and what its content is. It is a YAML file, sorted by name, with a
// block for each. It is not safe for concurrent use.
type Lock struct {
	path    string
	entries map[string]LockEntry
	saved   []byte // the file as it is; nil: there is none
}

// A LockEntry pins one template.
type LockEntry struct {
	Source string `yaml:"source" json:"source"`                     // repository[//path], or "embedded", or a linked folder
	Ref    string `yaml:"ref,omitempty" json:"ref,omitempty"`       // as asked for
	Commit string `yaml:"commit,omitempty" json:"commit,omitempty"` // full id
	Digest string `yaml:"digest,omitempty" json:"digest,omitempty"` // of the content

	// Link says that Source is a folder used in place; its content may change.
	Link bool `yaml:"link,omitempty" json:"link,omitempty"`

	Time time.Time `yaml:"time" json:"time"` // when it was pinned
}

// same says whether two entries pin the same bytes from the same place.
func (e LockEntry) same(o LockEntry) bool {
	e.Time, o.Time = time.Time{}, time.Time{}
	return e == o
}

// isEmbedded says whether the template comes with the program.
func (e LockEntry) isEmbedded() bool { return !e.Link && e.Source == embeddedSource && e.Commit == "" }

// lockDocument is the file.
type lockDocument struct {
	Version   int                  `yaml:"version"`
	Templates map[string]LockEntry `yaml:"templates"`
}

const lockHeader = "# Written by faas-cli. It pins the templates of this project: commit it.\n"

// OpenLock reads the lock file at path; a missing one is empty.
func OpenLock(path string) (*Lock, error) {
	l := &Lock{path: path, entries: map[string]LockEntry{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read template lock: %w", err)
	}
	var doc lockDocument
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true) // an unknown key may be one that a later version needs
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read template lock %q: %w", path, err)
	}
	if doc.Version != lockVersion {
		return nil, fmt.Errorf("read template lock %q: version %d is not known, only %d", path, doc.Version, lockVersion)
	}
	for name := range doc.Templates {
		if _, err := ParseName(name); err != nil {
			return nil, fmt.Errorf("read template lock %q: %w", path, err)
		}
	}
	l.saved = data
	maps.Copy(l.entries, doc.Templates)
	return l, nil
}

// Exists says whether there is a file.
func (l *Lock) Exists() bool { return l.saved != nil }

// Entry returns what pins a template.
func (l *Lock) Entry(name string) (LockEntry, bool) {
	e, ok := l.entries[name]
	return e, ok
}

// Names lists what is pinned, sorted.
func (l *Lock) Names() []string { return slices.Sorted(maps.Keys(l.entries)) }

// Set pins a template. An entry that pins the same keeps its time.
func (l *Lock) Set(name string, e LockEntry) {
	if old, ok := l.entries[name]; ok && old.same(e) {
		return
	}
	e.Time = e.Time.UTC().Truncate(time.Second)
	l.entries[name] = e
}

// Remove forgets a template.
func (l *Lock) Remove(name string) { delete(l.entries, name) }

// Save writes the file if it would change. A lock without entries is written
// only over an existing file.
func (l *Lock) Save() error {
	if len(l.entries) == 0 && l.saved == nil {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(lockHeader)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(lockDocument{Version: lockVersion, Templates: l.entries}); err != nil {
		return fmt.Errorf("write template lock: %w", err)
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("write template lock: %w", err)
	}
	if bytes.Equal(b.Bytes(), l.saved) {
		return nil
	}
	if err := atomicfile.UpdateBytes(l.path, 0o644, b.Bytes()); err != nil {
		return fmt.Errorf("write template lock: %w", err)
	}
	l.saved = b.Bytes()
	return nil
}

// reload reads the file again: another process may have changed it while this
// one waited for its turn.
func (l *Lock) reload() error {
	fresh, err := OpenLock(l.path)
	if err != nil {
		return err
	}
	*l = *fresh
	return nil
}
