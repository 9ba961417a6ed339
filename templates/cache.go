package templates

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/filelock"
)

// A Cache keeps contents of templates under their digests, what is in the
// commits that were seen, and the manifests of stores. All projects of a user
// share it; it is safe for concurrent use, also by several processes: what is
// in it appears whole, and is verified when it is used.
//
//	trees/HEX/...           one template's files; HEX is its content digest
//	revisions/HEX.json      a commit of a repository: its templates
//	refs/HEX.json           a repository: which commits its refs named last
//	stores/HEX.json         a store: its manifest and ETag
//	stats/HEX.json          an installed template: its digest, and what its files looked like
//	locks/NAME              what keeps processes apart
//	tmp/...                 what is being made or removed
type Cache struct{ dir string }

// OpenCache returns the cache in dir, which need not exist.
func OpenCache(dir string) *Cache { return &Cache{dir: dir} }

// Dir is where the cache lies.
func (c *Cache) Dir() string { return c.dir }

// The parts of the cache.
const (
	cacheTrees     = "trees"
	cacheRevisions = "revisions"
	cacheRefs      = "refs"
	cacheStores    = "stores"
	cacheTemp      = "tmp"
)

// A revision is what is known of one commit: its templates, and the digests of
// those whose content was fetched (empty: not yet).
type revision struct {
	Repository string            `json:"repository"`
	Path       string            `json:"path,omitempty"`
	Commit     string            `json:"commit"`
	Templates  map[string]string `json:"templates"`
}

// names lists the templates of a revision, sorted.
func (r revision) names() []string {
	names := make([]string, 0, len(r.Templates))
	for n := range r.Templates {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// knownRefs is what the refs of a repository named when it was last asked.
type knownRefs struct {
	Repository string            `json:"repository"`
	Refs       map[string]string `json:"refs"` // ref, or "" for the default branch → commit
}

// hashKey makes a file name of parts.
func hashKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func revisionKey(src Source, commit string) string { return hashKey(src.key(), src.Path, commit) }

// load reads an entry; a missing or damaged one is as if it had never been.
func (c *Cache) load(part, key string, v any) bool {
	data, err := os.ReadFile(filepath.Join(c.dir, part, key+".json"))
	return err == nil && json.Unmarshal(data, v) == nil
}

// save writes an entry.
func (c *Cache) save(part, key string, v any) error {
	dir := filepath.Join(c.dir, part)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("template cache: %w", err)
	}
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return c.replace(dir, filepath.Join(dir, key+".json"), append(data, '\n'))
}

// replace writes a file whole or not at all. It is not synced: what a power
// failure damages is as if it had never been.
func (c *Cache) replace(dir, path string, data []byte) error {
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return fmt.Errorf("template cache: %w", err)
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("template cache: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// tree is the folder of a content.
func (c *Cache) tree(digest string) string {
	return filepath.Join(c.dir, cacheTrees, strings.TrimPrefix(digest, digestPrefix))
}

// hasTree says whether a content is there, without verifying it.
func (c *Cache) hasTree(digest string) bool {
	if digest == "" {
		return false
	}
	_, err := os.Stat(c.tree(digest))
	return err == nil
}

// A tempDir is a fresh folder on the file system of the cache.
type tempDir struct {
	path string
	lock *filelock.Lock
}

// temp makes a temporary folder, and takes away those that killed processes
// left: as long as one is in use its process holds a shared lock.
func (c *Cache) temp(ctx context.Context, pattern string) (*tempDir, error) {
	if err := c.sweep(); err != nil {
		return nil, err
	}
	lock, err := c.lock(cacheTemp, func(path string) (*filelock.Lock, error) { return filelock.Shared(ctx, path) })
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(c.dir, cacheTemp)
	if err = os.MkdirAll(dir, 0o755); err == nil {
		dir, err = os.MkdirTemp(dir, pattern)
	}
	if err != nil {
		lock.Release()
		return nil, fmt.Errorf("template cache: %w", err)
	}
	return &tempDir{path: dir, lock: lock}, nil
}

// remove takes the folder away; what cannot be removed the next sweep finds.
func (d *tempDir) remove() {
	_ = os.RemoveAll(d.path)
	d.lock.Release()
}

// sweep removes the temporary folders of killed processes, unless another
// process is using one now.
func (c *Cache) sweep() error {
	lock, err := c.lock(cacheTemp, filelock.Try)
	if errors.Is(err, filelock.ErrHeld) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Release()
	dir := filepath.Join(c.dir, cacheTemp)
	left, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range left { // not the folder itself, which drop uses without the lock
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// lock takes a lock of the cache, in the way given.
func (c *Cache) lock(name string, take func(path string) (*filelock.Lock, error)) (*filelock.Lock, error) {
	dir := filepath.Join(c.dir, "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("template cache: %w", err)
	}
	return take(filepath.Join(dir, name))
}

// adopt moves a complete folder to its place. Another process may have been
// faster; its folder has the same content.
func (c *Cache) adopt(dir, digest string) error {
	if err := os.MkdirAll(filepath.Join(c.dir, cacheTrees), 0o755); err != nil {
		return fmt.Errorf("template cache: %w", err)
	}
	err := os.Rename(dir, c.tree(digest))
	if err != nil && c.hasTree(digest) {
		return os.RemoveAll(dir)
	}
	return err
}

// drop takes a damaged content out of the way.
func (c *Cache) drop(digest string) error {
	dir := filepath.Join(c.dir, cacheTemp)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("template cache: %w", err)
	}
	gone := filepath.Join(dir, "gone-"+rand.Text())
	// Moved first, so that nobody sees a part of it.
	if err := os.Rename(c.tree(digest), gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("template cache: %w", err)
	}
	return os.RemoveAll(gone)
}

// A CacheEntry is one content in the cache.
type CacheEntry struct {
	Digest     string    `json:"digest"`
	Template   string    `json:"template,omitempty"` // a name it goes by
	Repository string    `json:"repository,omitempty"`
	Commit     string    `json:"commit,omitempty"`
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Used       time.Time `json:"used"` // when it was last fetched or installed
}

// Entries lists the contents, the most recently used first.
func (c *Cache) Entries() ([]CacheEntry, error) {
	dirs, err := os.ReadDir(filepath.Join(c.dir, cacheTrees))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("template cache: %w", err)
	}
	known := map[string]CacheEntry{}
	for _, r := range c.revisions() {
		for name, digest := range r.Templates {
			if digest != "" {
				known[digest] = CacheEntry{Digest: digest, Template: name, Repository: r.Repository, Commit: r.Commit}
			}
		}
	}
	var entries []CacheEntry
	for _, d := range dirs {
		digest := digestPrefix + d.Name()
		e := known[digest]
		e.Digest = digest
		info, err := d.Info()
		if err != nil {
			continue // gone meanwhile
		}
		e.Used = info.ModTime()
		e.Files, e.Bytes = treeSize(c.tree(digest))
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b CacheEntry) int {
		if by := b.Used.Compare(a.Used); by != 0 {
			return by
		}
		return strings.Compare(a.Digest, b.Digest)
	})
	return entries, nil
}

// revisions reads all records of commits, in a fixed order.
func (c *Cache) revisions() []revision {
	files, err := os.ReadDir(filepath.Join(c.dir, cacheRevisions))
	if err != nil {
		return nil
	}
	var all []revision
	for _, f := range files {
		var r revision
		if c.load(cacheRevisions, strings.TrimSuffix(f.Name(), ".json"), &r) {
			all = append(all, r)
		}
	}
	return all
}

// Verify reads every content again and takes those that are damaged away; it
// returns their digests.
func (c *Cache) Verify() (damaged []string, err error) {
	entries, err := c.Entries()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		got, err := digestDir(c.tree(e.Digest))
		if err == nil && got == e.Digest {
			continue
		}
		damaged = append(damaged, e.Digest)
		if err := c.drop(e.Digest); err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}

// Prune removes what was not used since the time given, and what killed
// processes left behind; it returns how many contents and bytes went.
func (c *Cache) Prune(since time.Time) (removed int, freed int64, err error) {
	entries, err := c.Entries()
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		if !e.Used.Before(since) {
			continue
		}
		if err := c.drop(e.Digest); err != nil {
			return removed, freed, err
		}
		removed++
		freed += e.Bytes
	}
	for _, part := range []string{cacheRevisions, cacheRefs, cacheStores, cacheStats} {
		if err := c.prunePart(part, since); err != nil {
			return removed, freed, err
		}
	}
	return removed, freed, c.sweep()
}

func (c *Cache) prunePart(part string, since time.Time) error {
	dir := filepath.Join(c.dir, part)
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil // nothing there
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.ModTime().Before(since) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return fmt.Errorf("template cache: %w", err)
		}
	}
	return nil
}

func treeSize(dir string) (files int, bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a size for people: what cannot be read does not count
		}
		if info, err := d.Info(); err == nil {
			files++
			bytes += info.Size()
		}
		return nil
	})
	return files, bytes
}

// digestDir is Digest of a folder on disk.
func digestDir(dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return Digest(root.FS())
}

// exclusive lets one process at a time change what it is about, such as the
// templates of a project; the returned function ends that. The lock is a file
// in the cache: nothing is left in the project.
func (c *Cache) exclusive(ctx context.Context, what string) (func(), error) {
	held, err := c.lock(hashKey(what), func(path string) (*filelock.Lock, error) { return filelock.Exclusive(ctx, path) })
	if err != nil {
		return nil, err
	}
	return held.Release, nil
}
