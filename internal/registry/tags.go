package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func (s *Store) repoPath(repository string, elem ...string) string {
	parts := []string{s.dir, "repos"}
	for p := range strings.SplitSeq(repository, "/") {
		parts = append(parts, escape(p))
	}
	return filepath.Join(append(parts, elem...)...)
}

// tag makes n, which must not be pinned by a digest, name the manifest h, which
// the store must hold. What the name meant before stays until the collector
// comes. The store is locked.
func (s *Store) tag(n Name, h v1.Hash) error {
	if n.Digest != (v1.Hash{}) {
		return fmt.Errorf("tag %q: a name with a digest cannot be moved", n)
	}
	_, mediaType, err := s.Manifest(h)
	if err != nil {
		return fmt.Errorf("tag %q: %w", n, err)
	}
	if err := s.linkManifest(n.Repository, h, mediaType); err != nil {
		return err
	}
	return s.writeTag(n, h)
}

func (s *Store) writeTag(n Name, h v1.Hash) error {
	return s.writeFile(s.repoPath(n.Repository, "_tags", escape(n.Tag)), []byte(h.String()))
}

// linkManifest makes the manifest one of the repository's.
func (s *Store) linkManifest(repository string, h v1.Hash, mediaType types.MediaType) error {
	return s.writeFile(s.repoPath(repository, "_manifests", h.Hex), []byte(mediaType))
}

// Untag removes a name. The manifest stays until the collector comes. A name
// that the store does not know is ErrNotFound.
func (s *Store) Untag(ctx context.Context, name string) error {
	n, err := ParseName(name)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx, false)
	if err != nil {
		return err
	}
	defer unlock()
	err = os.Remove(s.repoPath(n.Repository, "_tags", escape(n.Tag)))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("image %q: %w", name, ErrNotFound)
	}
	return err
}

// Resolve finds the manifest that a name means. A name with a digest means
// that digest, if the store holds it.
func (s *Store) Resolve(name string) (v1.Hash, bool, error) {
	n, err := ParseName(name)
	if err != nil {
		return v1.Hash{}, false, err
	}
	if n.Digest != (v1.Hash{}) {
		if !s.hasBlob(n.Digest) {
			return v1.Hash{}, false, nil
		}
		return n.Digest, true, nil
	}
	h, err := readTag(s.repoPath(n.Repository, "_tags", escape(n.Tag)))
	if errors.Is(err, fs.ErrNotExist) {
		return v1.Hash{}, false, nil
	}
	if err != nil {
		return v1.Hash{}, false, fmt.Errorf("image %q: %w", name, err)
	}
	return h, true, nil
}

func readTag(path string) (v1.Hash, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return v1.Hash{}, err
	}
	h, err := v1.NewHash(string(b))
	if err == nil {
		err = checkHash(h)
	}
	return h, err
}

// An Entry is one name of the store.
type Entry struct {
	Name   Name
	Digest v1.Hash // of the manifest
	Native bool    // built here by the native engine
}

// List returns every name in the store, sorted.
func (s *Store) List() ([]Entry, error) {
	var entries []Entry
	err := s.walkRepos(func(repository, dir string) error {
		tags, err := s.tags(repository)
		for _, t := range tags {
			h, err := readTag(filepath.Join(dir, "_tags", escape(t)))
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed since
			}
			if err != nil {
				return fmt.Errorf("image %s:%s: %w", repository, t, err)
			}
			entries = append(entries, Entry{Name: Name{Repository: repository, Tag: t}, Digest: h, Native: s.Native(h)})
		}
		return err
	})
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return entries, err
}

// tags lists the tags of a repository, sorted; none for one that is unknown.
func (s *Store) tags(repository string) ([]string, error) {
	ents, err := os.ReadDir(s.repoPath(repository, "_tags"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var tags []string
	for _, e := range ents {
		if t := unescape(e.Name()); validTag(t) { // not a temporary file
			tags = append(tags, t)
		}
	}
	slices.Sort(tags)
	return tags, err
}

// manifests maps the manifests of a repository to their media types.
func (s *Store) manifests(repository string) (map[v1.Hash]types.MediaType, error) {
	dir := s.repoPath(repository, "_manifests")
	ents, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	found := make(map[v1.Hash]types.MediaType, len(ents))
	for _, e := range ents {
		h := v1.Hash{Algorithm: "sha256", Hex: e.Name()}
		if checkHash(h) != nil {
			continue // a temporary file
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[h] = types.MediaType(b)
	}
	return found, err
}

// walkRepos calls fn with every folder that holds tags or manifests.
func (s *Store) walkRepos(fn func(repository, dir string) error) error {
	root := s.path("repos")
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the store is empty, or the folder went away meanwhile
		}
		if err != nil {
			return err
		}
		if !d.IsDir() || p == root {
			return nil
		}
		if strings.HasPrefix(d.Name(), "_") {
			return fs.SkipDir
		}
		if !exists(filepath.Join(p, "_tags")) && !exists(filepath.Join(p, "_manifests")) {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		return fn(unescape(filepath.ToSlash(rel)), p)
	})
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
