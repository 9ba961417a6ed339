// Package credentials reads and saves the credentials of gateways.
//
// They live in config.yml of the user's OpenFaaS folder, in the format that
// the original client and its plugins use:
//
//	auths:
//	  - gateway: https://of.example.com
//	    auth: basic
//	    token: dXNlcjpwYXNzd29yZA==
//
// Whatever else the file holds, other keys and comments, is kept.
package credentials

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/filelock"
)

var (
	// ErrNoFile: nobody has ever logged in.
	ErrNoFile = errors.New("no configuration file")
	// ErrNoEntry: there are no credentials for the gateway in question.
	ErrNoEntry = errors.New("no credentials saved")
)

// Kinds of entries. An unknown kind is to be treated as OAuth2.
const (
	Basic  = "basic"  // Token is base64 of USER:PASSWORD
	OAuth2 = "oauth2" // Token is an access token
)

const (
	fileName = "config.yml"
	lockName = ".config.lock"

	filePerm = 0o600
	dirPerm  = 0o700
)

// Entry is what is saved for one gateway.
type Entry struct {
	Gateway string   `yaml:"gateway"` // normalised URL, the key
	Auth    string   `yaml:"auth"`
	Token   string   `yaml:"token"`
	Options []Option `yaml:"options,omitempty"` // of plugins, free-form
}

// Option is a value that a plugin keeps with an entry.
type Option struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// BasicEntry returns the entry for a user name, without a colon, and a password.
func BasicEntry(gateway, user, password string) Entry {
	token := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return Entry{Gateway: gateway, Auth: Basic, Token: token}
}

// UserPassword takes the token of a Basic entry apart. The password may hold
// colons.
func (e Entry) UserPassword() (user, password string, err error) {
	text, err := base64.StdEncoding.DecodeString(e.Token)
	if err != nil {
		return "", "", fmt.Errorf("credentials saved for %s: %w", e.Gateway, err)
	}
	user, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return "", "", fmt.Errorf("credentials saved for %s: no user and password in them", e.Gateway)
	}
	return user, password, nil
}

// Store is a folder with a config.yml. Its methods are safe for use by several
// processes at once.
type Store struct {
	Dir string // absolute

	private bool // ours alone, so that its mode may be tightened
	hide    bool // inside a project: keep it out of version control
}

// Locate finds the store: the folder that OPENFAAS_CONFIG names, else
// .openfaas in the working directory wd if CI is "true" or "1", else .openfaas
// in the home folder. Nothing is created.
func Locate(lookup func(string) (string, bool), home, wd string) (Store, error) {
	get := func(key string) string { v, _ := lookup(key); return v }
	if dir := get("OPENFAAS_CONFIG"); dir != "" {
		if dir == "~" || strings.HasPrefix(dir, "~/") {
			if home == "" {
				return Store{}, errors.New("OPENFAAS_CONFIG begins with ~ but there is no home folder")
			}
			dir = filepath.Join(home, dir[1:])
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(wd, dir)
		}
		return Store{Dir: dir}, nil
	}
	if ci := get("CI"); ci == "true" || ci == "1" {
		return Store{Dir: filepath.Join(wd, ".openfaas"), private: true, hide: true}, nil
	}
	if home == "" {
		return Store{}, errors.New("no home folder for the configuration: set HOME or OPENFAAS_CONFIG")
	}
	return Store{Dir: filepath.Join(home, ".openfaas"), private: true}, nil
}

// Path is where config.yml is, or would be.
func (s Store) Path() string { return filepath.Join(s.Dir, fileName) }

// Entries returns all entries in the file's order. It fails with [ErrNoFile].
func (s Store) Entries() ([]Entry, error) {
	doc, err := s.read()
	if err != nil {
		return nil, err
	}
	var file struct {
		Auths []Entry `yaml:"auths"`
	}
	if err := doc.Decode(&file); err != nil {
		return nil, fmt.Errorf("read %q: %w", s.Path(), err)
	}
	for i := range file.Auths { // blocks of text end in a line break
		file.Auths[i].Token = strings.TrimSpace(file.Auths[i].Token)
	}
	return file.Auths, nil
}

// Lookup returns the first entry of a gateway, given by its normalised URL. It
// fails with [ErrNoFile] or [ErrNoEntry]. The original client lower-cased the
// whole URL, so what it saved for one whose path has capitals is found too.
func (s Store) Lookup(gateway string) (Entry, error) {
	entries, err := s.Entries()
	if err != nil {
		return Entry{}, err
	}
	for _, key := range []string{gateway, strings.ToLower(gateway)} {
		for _, e := range entries {
			if trimmed(e.Gateway) == key {
				return e, nil
			}
		}
	}
	return Entry{}, fmt.Errorf("%w for %s", ErrNoEntry, gateway)
}

// Save adds an entry, or replaces the first one of its gateway where it
// stands. The folder and the file are created private.
func (s Store) Save(ctx context.Context, e Entry) error {
	return s.edit(ctx, true, func(root *yaml.Node) error {
		auths, err := sequence(root, "auths")
		if err != nil {
			return err
		}
		var fresh yaml.Node
		if err := fresh.Encode(e); err != nil {
			return err
		}
		for _, node := range auths.Content {
			if trimmed(value(node, "gateway")) == e.Gateway {
				replaceKeys(node, &fresh, "gateway", "auth", "token", "options")
				return nil
			}
		}
		auths.Style = 0 // "auths: []" becomes a block
		auths.Content = append(auths.Content, &fresh)
		return nil
	})
}

// Remove removes the entries of a gateway; the file stays. It fails with
// [ErrNoFile] or [ErrNoEntry].
func (s Store) Remove(ctx context.Context, gateway string) error {
	return s.edit(ctx, false, func(root *yaml.Node) error {
		auths, err := sequence(root, "auths")
		if err != nil {
			return err
		}
		for _, key := range []string{gateway, strings.ToLower(gateway)} {
			kept := []*yaml.Node{}
			for _, node := range auths.Content {
				if trimmed(value(node, "gateway")) != key {
					kept = append(kept, node)
				}
			}
			if len(kept) < len(auths.Content) {
				auths.Content = kept
				return nil
			}
		}
		return fmt.Errorf("%w for %s", ErrNoEntry, gateway)
	})
}

// read parses config.yml. An empty file is an empty mapping.
func (s Store) read() (*yaml.Node, error) {
	text, err := os.ReadFile(s.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoFile, s.Path())
	}
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read %q: %w", s.Path(), err)
	}
	if doc.Kind == 0 {
		return emptyDocument(), nil
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read %q: not a mapping", s.Path())
	}
	return &doc, nil
}

// edit changes config.yml under a lock and replaces it whole. With create a
// missing file counts as an empty one.
func (s Store) edit(ctx context.Context, create bool, change func(root *yaml.Node) error) error {
	if !create {
		if _, err := os.Stat(s.Path()); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s", ErrNoFile, s.Path())
		}
	}
	if err := s.prepareDir(); err != nil {
		return err
	}
	lock, err := filelock.Exclusive(ctx, filepath.Join(s.Dir, lockName))
	if err != nil {
		return err
	}
	defer lock.Release()
	doc, err := s.read()
	if errors.Is(err, ErrNoFile) && create {
		doc, err = emptyDocument(), nil
	}
	if err != nil {
		return err
	}
	if err := change(doc.Content[0]); errors.Is(err, ErrNoEntry) {
		return err
	} else if err != nil {
		return fmt.Errorf("change %q: %w", s.Path(), err)
	}
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write %q: %w", s.Path(), err)
	}
	return atomicfile.WriteBytes(s.Path(), filePerm, []byte(b.String()))
}

func (s Store) prepareDir() error {
	if err := os.MkdirAll(s.Dir, dirPerm); err != nil {
		return err
	}
	if s.private {
		if err := os.Chmod(s.Dir, dirPerm); err != nil { // older clients made it readable by others
			return err
		}
	}
	ignore := filepath.Join(s.Dir, ".gitignore")
	if _, err := os.Lstat(ignore); !s.hide || err == nil {
		return nil
	}
	return atomicfile.UpdateBytes(ignore, 0o644, []byte("*\n"))
}

func emptyDocument() *yaml.Node {
	return &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
}

// trimmed forgives the final slash of entries made by hand.
func trimmed(gateway string) string { return strings.TrimRight(gateway, "/") }
