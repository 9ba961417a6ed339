package builder

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// treeLayer is a layer whose tar is made of a tree each time it is read, so
// that no copy of the files exists. It is not compressed: a layer stays the
// same whatever version of a compressor made it, and what runs on this machine
// is spared both ways.
type treeLayer struct {
	ctx  context.Context //nolint:containedctx // readers of layers bring none
	tree *node
	hash v1.Hash
	size int64
}

// layerOf reads the tree once to know its digest. Entries get plain modes.
func layerOf(ctx context.Context, tree *node) (*treeLayer, error) {
	l := &treeLayer{ctx: ctx, tree: tree}
	h := sha256.New()
	counted := &countingWriter{w: h}
	if err := l.writeTo(counted); err != nil {
		return nil, err
	}
	l.hash, l.size = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}, counted.n
	return l, nil
}

func (l *treeLayer) writeTo(w io.Writer) error {
	tw := tar.NewWriter(w)
	if err := writeTree(l.ctx, tw, l.tree, "", plainMode); err != nil {
		return err
	}
	return tw.Close()
}

// The methods of v1.Layer.

func (l *treeLayer) Digest() (v1.Hash, error)            { return l.hash, nil }
func (l *treeLayer) DiffID() (v1.Hash, error)            { return l.hash, nil }
func (l *treeLayer) Size() (int64, error)                { return l.size, nil }
func (l *treeLayer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }
func (l *treeLayer) Compressed() (io.ReadCloser, error)  { return l.Uncompressed() }
func (l *treeLayer) Uncompressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(l.writeTo(w)) }() // ends with the reader, which closes the pipe
	return r, nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

// Write counts.
func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
