package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// LabelFingerprint is the image label that says what an image was built from.
const LabelFingerprint = "com.github.faas-cli.fingerprint"

// Fingerprint is a digest of what [Context.FS] holds: paths, kinds, modes,
// targets of links and contents. Owners and times do not count.
func (c *Context) Fingerprint(ctx context.Context) (digest.Digest, error) {
	return c.fingerprint(ctx, c.sent, exactMode)
}

func (c *Context) fingerprint(ctx context.Context, tree *node, mode func(fs.FileMode) int64) (digest.Digest, error) {
	if err := c.hashAll(ctx, tree); err != nil {
		return "", err
	}
	sum := newRecord()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := tree.walk(func(name string, n *node) error {
		switch n.kind {
		case fs.ModeSymlink:
			sum.add("link", name, n.link)
		case fs.ModeDir:
			sum.add("dir", name)
		default:
			s := c.digests[n]
			sum.add("file", name, strconv.FormatInt(mode(s.stamp.mode), 8), string(s.digest))
		}
		return nil
	})
	return sum.digest(), err
}

// hashAll reads the files of the tree that were not read yet.
func (c *Context) hashAll(ctx context.Context, tree *node) error {
	files := c.unread(tree)
	workers := min(runtime.GOMAXPROCS(0), len(files))
	if workers == 0 {
		return nil
	}
	// Neighbours, which mostly share a folder, are read by the same worker, but
	// not so many of them that others have nothing left to do.
	const turns = 8
	turn := min(batch, max(1, len(files)/workers/turns))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			h := hasher{ctx: ctx, buffer: make([]byte, copyBuffer)}
			defer h.src.close()
			for {
				from := int(next.Add(int64(turn))) - turn
				if from >= len(files) {
					return nil
				}
				if err := c.hash(&h, files[from:min(from+turn, len(files))]); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// unread returns the files of the tree that were not read yet.
func (c *Context) unread(tree *node) []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var files []*node
	_ = tree.walk(func(_ string, n *node) error { // visit returns no error
		if n.kind == 0 {
			if _, done := c.digests[n]; !done {
				files = append(files, n)
			}
		}
		return nil
	})
	return files
}

// hash reads some files.
func (c *Context) hash(h *hasher, files []*node) error {
	contents := make([]seen, len(files))
	for i, n := range files {
		var err error
		if contents[i], err = h.read(n); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range files {
		c.digests[n] = contents[i]
	}
	return nil
}

// hasher reads files for one goroutine.
type hasher struct {
	ctx    context.Context //nolint:containedctx // of the goroutine that it belongs to
	src    sourceFolder
	buffer []byte
}

// read reads one file. What it looks like is taken before its content: an edit
// in the meantime makes it look different afterwards.
func (h *hasher) read(n *node) (seen, error) {
	if err := context.Cause(h.ctx); err != nil {
		return seen{}, err
	}
	if n.from.disk == nil {
		return h.large(n)
	}
	if err := h.src.enter(n); err != nil {
		return seen{}, err
	}
	l, content, err := h.src.read(n.base, h.buffer)
	switch {
	case errors.Is(err, errLarge):
		return h.large(n)
	case errors.Is(err, errTorn):
		return seen{}, &ChangedError{Path: n.where()}
	case err != nil:
		return seen{}, n.failed("open", err)
	}
	sum := sha256.Sum256(content)
	return seen{digest.NewDigestFromBytes(digest.SHA256, sum[:]), l.stamp}, nil
}

// large reads a file of any size, from wherever it comes.
func (h *hasher) large(n *node) (s seen, err error) {
	err = readFile(n, func(r io.Reader, info fs.FileInfo) error {
		sum := sha256.New()
		if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, ctxReader{h.ctx, r}, h.buffer); err != nil {
			return err
		}
		s = seen{digest.NewDigest(digest.SHA256, sum), stampOf(info)}
		return nil
	})
	return s, err
}

// Changed says whether a file that was read for the fingerprint looks
// different by now, and which. It reads no contents.
func (c *Context) Changed() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var src sourceFolder
	defer src.close()
	var changed *node
	_ = c.tree.walk(func(_ string, n *node) error { // the only error ends the walk
		if s, read := c.digests[n]; read && !src.looks(n, s.stamp) {
			changed = n
			return fs.SkipAll
		}
		return nil
	})
	if changed == nil {
		return "", false
	}
	return changed.where(), true
}

// looks says whether a regular file looks like that.
func (s *sourceFolder) looks(n *node, want stamp) bool {
	if n.from.disk == nil {
		info, err := n.info()
		return err == nil && stampOf(info) == want
	}
	if err := s.enter(n); err != nil {
		return false
	}
	l, err := s.look(n.base)
	return err == nil && l.stamp == want
}

// Fingerprint is a digest of everything that decides what the request's image
// is: the context, the template, arguments, labels, contents of secrets, the
// platforms and identity, the engine that builds it. Where the image goes, its
// name and Force do not count.
func (r Request) Fingerprint(ctx context.Context, identity string) (digest.Digest, error) {
	content, err := r.Context.Fingerprint(ctx)
	if err != nil {
		return "", err
	}
	return r.fingerprint(identity, content)
}

func (r Request) fingerprint(identity string, content digest.Digest) (digest.Digest, error) {
	sum := newRecord()
	sum.add("engine", identity)
	sum.add("content", string(content))
	sum.add("language", r.Context.Language)
	for _, p := range r.Platforms {
		sum.add("platform", p.String())
	}
	for _, k := range slices.Sorted(maps.Keys(r.Args)) {
		sum.add("arg", k, r.Args[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		if k != LabelFingerprint {
			sum.add("label", k, r.Labels[k])
		}
	}
	secrets := slices.Clone(r.Secrets)
	slices.SortFunc(secrets, func(a, b Secret) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range secrets {
		content, err := os.ReadFile(s.Path)
		if err != nil {
			return "", fmt.Errorf("build secret %q: read %q: %w", s.ID, s.Path, cause(err))
		}
		sum.add("secret", s.ID, string(digest.FromBytes(content)))
	}
	sum.add("options", fmt.Sprint(r.SSH, r.Squash, r.Debug))
	return sum.digest(), nil
}

// record is a digest over fields whose borders count.
type record struct {
	h    hash.Hash
	line []byte
}

func newRecord() *record { return &record{h: sha256.New()} }

func (r *record) add(fields ...string) {
	r.line = r.line[:0]
	for _, f := range fields {
		r.line = strconv.AppendInt(r.line, int64(len(f)), 10)
		r.line = append(append(append(r.line, ':'), f...), ',')
	}
	_, _ = r.h.Write(append(r.line, '\n')) // a hash never fails
}

func (r *record) digest() digest.Digest { return digest.NewDigest(digest.SHA256, r.h) }
