package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// GCOptions say what the collector may take.
type GCOptions struct {
	Keep   []v1.Hash     // manifests in use though no tag names them, such as those of deployed functions
	Grace  time.Duration // what was written or pushed again within this time stays; zero spares nothing
	DryRun bool          // only count
}

// A GCReport says what the collector took, or would have taken.
type GCReport struct {
	Manifests int   // manifests that left a repository
	Blobs     int   // files removed, manifests included
	Bytes     int64 // their size together
}

// GC removes what nothing names any more: manifests without a tag, the layers
// only they had, and uploads that were given up. What a kept manifest refers
// to stays, and so do manifests that refer to it as their subject. It waits
// until no other process writes.
func (s *Store) GC(ctx context.Context, o GCOptions) (GCReport, error) {
	var r GCReport
	if !exists(s.dir) {
		return r, nil
	}
	unlock, err := s.lock(ctx, true)
	if err != nil {
		return r, err
	}
	defer unlock()
	c := collector{s: s, o: o, before: time.Now().Add(-o.Grace), marked: map[v1.Hash]bool{}}
	if err := c.markAll(); err != nil {
		return r, err
	}
	err = c.sweep(ctx)
	return c.report, err
}

type collector struct {
	s      *Store
	o      GCOptions
	before time.Time // what is younger stays
	marked map[v1.Hash]bool
	report GCReport
}

// references is what a manifest or an index may refer to.
type references struct {
	Config    *v1.Descriptor  `json:"config"`
	Layers    []v1.Descriptor `json:"layers"`
	Blobs     []v1.Descriptor `json:"blobs"`
	Manifests []v1.Descriptor `json:"manifests"`
	Subject   *v1.Descriptor  `json:"subject"`
}

func (s *Store) references(h v1.Hash) (references, error) {
	var refs references
	raw, err := s.readSmall(h)
	if err != nil {
		return refs, err
	}
	return refs, json.Unmarshal(raw, &refs)
}

func (c *collector) markAll() error {
	for _, h := range c.o.Keep {
		c.mark(h)
	}
	referrers := map[v1.Hash][]v1.Hash{} // by their subject
	err := c.s.walkRepos(func(repository, dir string) error {
		return c.markRepository(repository, dir, referrers)
	})
	c.markReferrers(referrers)
	return err
}

// markRepository marks what has a tag or is young, and adds what refers to
// another manifest to referrers.
func (c *collector) markRepository(repository, dir string, referrers map[v1.Hash][]v1.Hash) error {
	tags, err := c.s.tags(repository)
	if err != nil {
		return err
	}
	for _, t := range tags {
		h, err := readTag(filepath.Join(dir, "_tags", escape(t)))
		if err != nil {
			return err
		}
		c.mark(h)
	}
	manifests, err := c.s.manifests(repository)
	for h := range manifests {
		if refs, err := c.s.references(h); err == nil && refs.Subject != nil {
			referrers[refs.Subject.Digest] = append(referrers[refs.Subject.Digest], h)
		}
		if c.young(c.s.blobPath(h)) {
			c.mark(h)
		}
	}
	return err
}

// markReferrers marks what refers to a manifest that is kept.
func (c *collector) markReferrers(referrers map[v1.Hash][]v1.Hash) {
	for again := true; again; { // a referrer may have referrers
		again = false
		for subject, hashes := range referrers {
			if c.marked[subject] {
				delete(referrers, subject)
				for _, h := range hashes {
					c.mark(h)
				}
				again = true
			}
		}
	}
}

// mark keeps a manifest and what it refers to. A manifest that is not there or
// cannot be read refers to nothing.
func (c *collector) mark(h v1.Hash) {
	if c.marked[h] {
		return
	}
	c.marked[h] = true
	refs, err := c.s.references(h)
	if err != nil {
		return
	}
	if refs.Config != nil {
		c.marked[refs.Config.Digest] = true
	}
	for _, d := range append(refs.Layers, refs.Blobs...) {
		c.marked[d.Digest] = true
	}
	for _, d := range refs.Manifests {
		c.mark(d.Digest)
	}
}

func (c *collector) young(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.ModTime().After(c.before)
}

func (c *collector) sweep(ctx context.Context) error {
	errs := []error{
		c.s.walkRepos(func(repository, dir string) error {
			manifests, err := c.s.manifests(repository)
			for h := range manifests {
				if !c.marked[h] {
					c.report.Manifests++
					err = errors.Join(err, c.remove(filepath.Join(dir, "_manifests", h.Hex)))
				}
			}
			return err
		}),
		c.sweepDir(ctx, c.s.path("blobs", "sha256"), func(name string, fi fs.FileInfo) bool {
			if c.marked[v1.Hash{Algorithm: "sha256", Hex: name}] || fi.ModTime().After(c.before) {
				return false
			}
			c.report.Blobs++
			c.report.Bytes += fi.Size()
			return true
		}),
		c.sweepDir(ctx, c.s.path("native"), func(name string, _ fs.FileInfo) bool {
			return !exists(c.s.path("blobs", "sha256", name))
		}),
		c.sweepDir(ctx, c.s.path("uploads"), func(_ string, fi fs.FileInfo) bool {
			return !fi.ModTime().After(c.before)
		}),
	}
	if !c.o.DryRun {
		c.removeEmptyRepos()
	}
	return errors.Join(errs...)
}

func (c *collector) sweepDir(ctx context.Context, dir string, doomed func(name string, fi fs.FileInfo) bool) error {
	ents, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range ents {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fi, statErr := e.Info()
		if statErr == nil && doomed(e.Name(), fi) {
			err = errors.Join(err, c.remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

func (c *collector) remove(path string) error {
	if c.o.DryRun {
		return nil
	}
	return os.Remove(path)
}

// removeEmptyRepos drops the folders of repositories without tags and
// manifests, the deepest first. os.Remove spares folders that hold something.
func (c *collector) removeEmptyRepos() {
	var dirs []string
	root := c.s.path("repos")
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && p != root {
			dirs = append(dirs, p)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		os.Remove(dirs[i])
	}
}
