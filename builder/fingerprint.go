package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"

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
	err := tree.walk(func(name string, n *node) error {
		switch n.kind {
		case fs.ModeSymlink:
			sum.add("link", name, n.link)
		case fs.ModeDir:
			sum.add("dir", name)
		default:
			c.mu.Lock()
			s := c.digests[n]
			c.mu.Unlock()
			sum.add("file", name, strconv.FormatInt(mode(s.stamp.mode), 8), string(s.digest))
		}
		return nil
	})
	return sum.digest(), err
}

// hashAll reads the files of the tree that were not read yet.
func (c *Context) hashAll(ctx context.Context, tree *node) error {
	var files []*node
	_ = tree.walk(func(_ string, n *node) error { // visit returns no error
		if n.kind == 0 {
			files = append(files, n)
		}
		return nil
	})
	workers := min(runtime.GOMAXPROCS(0), len(files))
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			buffer := make([]byte, copyBuffer)
			for i := w; i < len(files); i += workers {
				if err := c.hash(ctx, files[i], buffer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (c *Context) hash(ctx context.Context, n *node, buffer []byte) error {
	c.mu.Lock()
	_, done := c.digests[n]
	c.mu.Unlock()
	if done {
		return nil
	}
	return readFile(n, func(r io.Reader, info fs.FileInfo) error {
		h := sha256.New()
		if _, err := io.CopyBuffer(struct{ io.Writer }{h}, ctxReader{ctx, r}, buffer); err != nil {
			return err
		}
		c.mu.Lock()
		c.digests[n] = seen{digest.NewDigest(digest.SHA256, h), stampOf(info)}
		c.mu.Unlock()
		return nil
	})
}

// Changed says whether a file that was read for the fingerprint looks
// different by now, and which. It reads no contents.
func (c *Context) Changed() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, s := range c.digests {
		if info, err := n.info(); err != nil || stampOf(info) != s.stamp {
			return n.where(), true
		}
	}
	return "", false
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
type record struct{ h hash.Hash }

func newRecord() record { return record{sha256.New()} }

func (r record) add(fields ...string) {
	for _, f := range fields {
		fmt.Fprintf(r.h, "%d:%s,", len(f), f) // a hash never fails
	}
	_, _ = io.WriteString(r.h, "\n")
}

func (r record) digest() digest.Digest { return digest.NewDigest(digest.SHA256, r.h) }
