package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifest is the largest manifest that is read, in bytes: the limit that
// the distribution specification recommends to registries.
const maxManifest = 4 << 20

// WriteImage stores img with everything it refers to and returns the digest of
// its manifest. A name that is not empty then means this image. Layers that the
// store holds are not read; the others are streamed and verified.
func (s *Store) WriteImage(ctx context.Context, name string, img v1.Image) (v1.Hash, error) {
	return s.write(ctx, name, func() (v1.Hash, error) { return s.writeImage(ctx, img) })
}

// WriteIndex is WriteImage for an index of several platforms.
func (s *Store) WriteIndex(ctx context.Context, name string, idx v1.ImageIndex) (v1.Hash, error) {
	return s.write(ctx, name, func() (v1.Hash, error) { return s.writeIndex(ctx, idx) })
}

func (s *Store) write(ctx context.Context, name string, put func() (v1.Hash, error)) (v1.Hash, error) {
	var n Name
	if name != "" {
		var err error
		if n, err = ParseName(name); err != nil {
			return v1.Hash{}, err
		}
	}
	unlock, err := s.lock(ctx, false)
	if err != nil {
		return v1.Hash{}, err
	}
	defer unlock()
	h, err := put()
	if err != nil || name == "" {
		return h, err
	}
	return h, s.tag(n, h)
}

func (s *Store) writeImage(ctx context.Context, img v1.Image) (v1.Hash, error) {
	layers, err := img.Layers()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, l := range layers {
		if err := s.writeLayer(ctx, l); err != nil {
			return v1.Hash{}, err
		}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return v1.Hash{}, err
	}
	if _, err := s.writeBytes(config); err != nil {
		return v1.Hash{}, err
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	return s.writeBytes(manifest)
}

func (s *Store) writeLayer(ctx context.Context, l v1.Layer) error {
	h, err := l.Digest()
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	if s.touchBlob(h, size) {
		return nil
	}
	rc, err := l.Compressed()
	if err != nil {
		return fmt.Errorf("read layer %s: %w", h, err)
	}
	return errors.Join(s.writeBlob(ctx, h, size, rc), rc.Close())
}

func (s *Store) writeIndex(ctx context.Context, idx v1.ImageIndex) (v1.Hash, error) {
	m, err := idx.IndexManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			child, err := idx.ImageIndex(d.Digest)
			if err != nil {
				return v1.Hash{}, err
			}
			if _, err := s.writeIndex(ctx, child); err != nil {
				return v1.Hash{}, err
			}
		case d.MediaType.IsImage():
			child, err := idx.Image(d.Digest)
			if err != nil {
				return v1.Hash{}, err
			}
			if _, err := s.writeImage(ctx, child); err != nil {
				return v1.Hash{}, err
			}
		default:
			return v1.Hash{}, fmt.Errorf("index refers to %s, which is no image: media type %q", d.Digest, d.MediaType)
		}
	}
	raw, err := idx.RawManifest()
	if err != nil {
		return v1.Hash{}, err
	}
	return s.writeBytes(raw)
}

// writeBytes stores something small under its digest.
func (s *Store) writeBytes(b []byte) (v1.Hash, error) {
	u, err := s.newUpload()
	if err != nil {
		return v1.Hash{}, err
	}
	defer u.cancel()
	if _, err := u.Write(b); err != nil {
		return v1.Hash{}, err
	}
	h := v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", u.sum.Sum(nil))}
	if s.touchBlob(h, u.size) {
		return h, nil
	}
	return h, u.commit(h)
}

// Manifest returns the bytes and the media type of a manifest or an index.
func (s *Store) Manifest(h v1.Hash) ([]byte, types.MediaType, error) {
	raw, err := s.readSmall(h)
	if err != nil {
		return nil, "", err
	}
	var m struct {
		MediaType types.MediaType          `json:"mediaType"`
		Config    struct{ Digest *string } `json:"config"` // that of an image's configuration has none
		Manifests []json.RawMessage        `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, "", fmt.Errorf("manifest %s: %w", h, err)
	}
	switch { // the field is optional in OCI's
	case m.MediaType != "":
		return raw, m.MediaType, nil
	case m.Manifests != nil:
		return raw, types.OCIImageIndex, nil
	case m.Config.Digest != nil:
		return raw, types.OCIManifestSchema1, nil
	}
	return nil, "", fmt.Errorf("blob %s is no manifest", h)
}

func (s *Store) readSmall(h v1.Hash) ([]byte, error) {
	f, size, err := s.blob(h)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxManifest {
		return nil, fmt.Errorf("blob %s has %d bytes, too many for a manifest or configuration", h, size)
	}
	return io.ReadAll(io.LimitReader(f, maxManifest))
}

// Image opens the image of a manifest; of an index the one for this machine's
// architecture, which runs Linux images unless the index has one of this
// system's own. Layers are read from disk when they are asked for.
func (s *Store) Image(ctx context.Context, h v1.Hash) (v1.Image, error) {
	return s.PlatformImage(ctx, h, v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH})
}

// PlatformImage is Image for another platform than this machine's. A manifest
// that is no index is opened whatever its platform.
func (s *Store) PlatformImage(ctx context.Context, h v1.Hash, p v1.Platform) (v1.Image, error) {
	raw, mediaType, err := s.Manifest(h)
	if err != nil {
		return nil, err
	}
	if mediaType.IsIndex() {
		child, err := pick(raw, p)
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", h, err)
		}
		return s.PlatformImage(ctx, child, p)
	}
	return partial.CompressedToImage(&imageCore{s: s, raw: raw, mediaType: mediaType})
}

func pick(rawIndex []byte, p v1.Platform) (v1.Hash, error) {
	var m v1.IndexManifest
	if err := json.Unmarshal(rawIndex, &m); err != nil {
		return v1.Hash{}, err
	}
	for _, os := range []string{p.OS, "linux"} {
		want := p
		want.OS = os
		for _, d := range m.Manifests {
			if d.Platform != nil && d.Platform.Satisfies(want) {
				return d.Digest, nil
			}
		}
	}
	return v1.Hash{}, fmt.Errorf("no image for %s: %w", p, ErrNotFound)
}

// Index opens the index of several platforms with that digest.
func (s *Store) Index(_ context.Context, h v1.Hash) (v1.ImageIndex, error) {
	raw, mediaType, err := s.Manifest(h)
	if err != nil {
		return nil, err
	}
	if !mediaType.IsIndex() {
		return nil, fmt.Errorf("manifest %s is no index: media type %q", h, mediaType)
	}
	return &index{s: s, raw: raw, mediaType: mediaType, hash: h}, nil
}

// An imageCore gives go-containerregistry what it needs to make an image of
// files.
type imageCore struct {
	s         *Store
	raw       []byte
	mediaType types.MediaType
}

var _ partial.CompressedImageCore = (*imageCore)(nil)

func (i *imageCore) RawManifest() ([]byte, error)         { return i.raw, nil }
func (i *imageCore) MediaType() (types.MediaType, error)  { return i.mediaType, nil }
func (i *imageCore) manifest() (m v1.Manifest, err error) { err = json.Unmarshal(i.raw, &m); return }

func (i *imageCore) RawConfigFile() ([]byte, error) {
	m, err := i.manifest()
	if err != nil {
		return nil, err
	}
	return i.s.readSmall(m.Config.Digest)
}

func (i *imageCore) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	m, err := i.manifest()
	if err != nil {
		return nil, err
	}
	for _, d := range append(m.Layers, m.Config) {
		if d.Digest == h {
			return &layer{s: i.s, desc: d}, nil
		}
	}
	return nil, fmt.Errorf("layer %s: %w", h, ErrNotFound)
}

// A layer is a file that is opened when it is read.
type layer struct {
	s    *Store
	desc v1.Descriptor
}

func (l *layer) Digest() (v1.Hash, error)            { return l.desc.Digest, nil }
func (l *layer) Size() (int64, error)                { return l.desc.Size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }
func (l *layer) Descriptor() (*v1.Descriptor, error) { return &l.desc, nil }

func (l *layer) Compressed() (io.ReadCloser, error) {
	f, _, err := l.s.blob(l.desc.Digest)
	if err != nil { // not a typed nil
		return nil, err
	}
	return f, nil
}

// An index opens its children from the store.
type index struct {
	s         *Store
	raw       []byte
	mediaType types.MediaType
	hash      v1.Hash
}

var _ v1.ImageIndex = (*index)(nil)

func (x *index) MediaType() (types.MediaType, error) { return x.mediaType, nil }
func (x *index) Digest() (v1.Hash, error)            { return x.hash, nil }
func (x *index) Size() (int64, error)                { return int64(len(x.raw)), nil }
func (x *index) RawManifest() ([]byte, error)        { return x.raw, nil }

func (x *index) IndexManifest() (*v1.IndexManifest, error) {
	var m v1.IndexManifest
	return &m, json.Unmarshal(x.raw, &m)
}

func (x *index) Image(h v1.Hash) (v1.Image, error) {
	raw, mediaType, err := x.s.Manifest(h)
	if err != nil {
		return nil, err
	}
	if mediaType.IsIndex() {
		return nil, fmt.Errorf("manifest %s is an index", h)
	}
	return partial.CompressedToImage(&imageCore{s: x.s, raw: raw, mediaType: mediaType})
}

func (x *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	raw, mediaType, err := x.s.Manifest(h)
	if err != nil {
		return nil, err
	}
	return &index{s: x.s, raw: raw, mediaType: mediaType, hash: h}, nil
}
