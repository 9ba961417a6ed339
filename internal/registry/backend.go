package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A backend gives the registry server its storage. What it leaves out, such as
// deleting blobs, is answered as unsupported.
type backend struct {
	*ociregistry.Funcs
	s *Store
}

var _ ociregistry.Interface = (*backend)(nil)

// octetStream is the media type of blobs: the registry does not know better.
const octetStream = "application/octet-stream"

func toHash(d ociregistry.Digest) (v1.Hash, error) {
	h, err := v1.NewHash(string(d))
	if err == nil {
		err = checkHash(h)
	}
	if err != nil {
		return v1.Hash{}, fmt.Errorf("%w: %w", ociregistry.ErrDigestInvalid, err)
	}
	return h, nil
}

func descriptor(h v1.Hash, size int64, mediaType types.MediaType) ociregistry.Descriptor {
	return ociregistry.Descriptor{MediaType: string(mediaType), Digest: ociregistry.Digest(h.String()), Size: size}
}

// blobReader reads a file, or a part of it, as a blob.
type blobReader struct {
	io.Reader
	io.Closer
	desc ociregistry.Descriptor
}

func (r *blobReader) Descriptor() ociregistry.Descriptor { return r.desc }

// WriteTo lets the kernel copy whole files to the connection.
func (r *blobReader) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, r.Reader) }

func (b *backend) open(d ociregistry.Digest, missing error) (*os.File, ociregistry.Descriptor, error) {
	h, err := toHash(d)
	if err != nil {
		return nil, ociregistry.Descriptor{}, err
	}
	f, size, err := b.s.blob(h)
	if errors.Is(err, ErrNotFound) {
		return nil, ociregistry.Descriptor{}, missing
	}
	return f, descriptor(h, size, octetStream), err
}

// GetBlob opens a blob. The store does not keep repositories apart: it has one
// user, who may read all of it.
func (b *backend) GetBlob(_ context.Context, _ string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	f, desc, err := b.open(d, ociregistry.ErrBlobUnknown)
	if err != nil {
		return nil, err
	}
	return &blobReader{f, f, desc}, nil
}

// GetBlobRange opens a part of a blob; a range beyond its end is empty.
func (b *backend) GetBlobRange(_ context.Context, _ string, d ociregistry.Digest, from, to int64) (ociregistry.BlobReader, error) {
	f, desc, err := b.open(d, ociregistry.ErrBlobUnknown)
	if err != nil {
		return nil, err
	}
	if to < 0 || to > desc.Size {
		to = desc.Size
	}
	if from > to {
		from = to
	}
	return &blobReader{io.NewSectionReader(f, from, to-from), f, desc}, nil
}

// ResolveBlob describes a blob.
func (b *backend) ResolveBlob(_ context.Context, _ string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	f, desc, err := b.open(d, ociregistry.ErrBlobUnknown)
	if err != nil {
		return desc, err
	}
	return desc, f.Close()
}

// manifest opens a manifest that is linked to the repository.
func (b *backend) manifest(repo string, d ociregistry.Digest) (*blobReader, error) {
	h, err := toHash(d)
	if err != nil {
		return nil, err
	}
	mediaType, err := os.ReadFile(b.s.repoPath(repo, "_manifests", h.Hex))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ociregistry.ErrManifestUnknown
	}
	if err != nil {
		return nil, err
	}
	f, desc, err := b.open(d, ociregistry.ErrManifestUnknown)
	if err != nil {
		return nil, err
	}
	desc.MediaType = string(mediaType)
	return &blobReader{f, f, desc}, nil
}

func (b *backend) tagged(repo, tag string) (ociregistry.Digest, error) {
	h, ok, err := b.s.Resolve(repo + ":" + tag)
	if err != nil || !ok {
		return "", ociregistry.ErrManifestUnknown
	}
	return ociregistry.Digest(h.String()), nil
}

// GetManifest opens a manifest by its digest.
func (b *backend) GetManifest(_ context.Context, repo string, d ociregistry.Digest) (ociregistry.BlobReader, error) {
	r, err := b.manifest(repo, d)
	if err != nil { // not a typed nil
		return nil, err
	}
	return r, nil
}

// GetTag opens the manifest that a tag names.
func (b *backend) GetTag(ctx context.Context, repo, tag string) (ociregistry.BlobReader, error) {
	d, err := b.tagged(repo, tag)
	if err != nil {
		return nil, err
	}
	return b.GetManifest(ctx, repo, d)
}

// ResolveManifest describes a manifest.
func (b *backend) ResolveManifest(_ context.Context, repo string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	r, err := b.manifest(repo, d)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	return r.desc, r.Close()
}

// ResolveTag describes the manifest that a tag names.
func (b *backend) ResolveTag(ctx context.Context, repo, tag string) (ociregistry.Descriptor, error) {
	d, err := b.tagged(repo, tag)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	return b.ResolveManifest(ctx, repo, d)
}

// PushBlob stores a blob in one go.
func (b *backend) PushBlob(ctx context.Context, _ string, desc ociregistry.Descriptor, r io.Reader) (ociregistry.Descriptor, error) {
	h, err := toHash(desc.Digest)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	if err := b.s.writeBlob(ctx, h, desc.Size, r); err != nil {
		return ociregistry.Descriptor{}, err
	}
	return desc, nil
}

// PushBlobChunked begins an upload.
func (b *backend) PushBlobChunked(context.Context, string, int) (ociregistry.BlobWriter, error) {
	u, err := b.s.newUpload()
	if err != nil {
		return nil, err
	}
	return &blobWriter{upload: u}, nil
}

// PushBlobChunkedResume goes on with an upload, also one from before a restart.
// A request that says where it begins must begin where the upload is.
func (b *backend) PushBlobChunkedResume(ctx context.Context, _, id string, offset int64, _ int) (ociregistry.BlobWriter, error) {
	u, err := b.s.resumeUpload(id)
	if err != nil {
		return nil, err
	}
	if ctx.Value(rangeGiven{}) != nil && offset != u.size {
		return nil, errors.Join(u.suspend(), fmt.Errorf("%w: upload has %d bytes, the request begins at %d", ociregistry.ErrRangeInvalid, u.size, offset))
	}
	return &blobWriter{upload: u}, nil
}

// A blobWriter is an upload as the server wants it.
type blobWriter struct {
	*upload
	ended bool // closed, committed or cancelled
}

var _ ociregistry.BlobWriter = (*blobWriter)(nil)

// Size is the number of bytes that have arrived.
func (w *blobWriter) Size() int64 { return w.size }

// ChunkSize asks for nothing: any size will do.
func (w *blobWriter) ChunkSize() int { return 1 }

// ID names the upload in its URL.
func (w *blobWriter) ID() string { return w.id }

// Close keeps what has arrived for later.
func (w *blobWriter) Close() error {
	if w.ended {
		return nil
	}
	w.ended = true
	return w.suspend()
}

// Commit ends the upload.
func (w *blobWriter) Commit(d ociregistry.Digest) (ociregistry.Descriptor, error) {
	h, err := toHash(d)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	w.ended = true
	return descriptor(h, w.size, octetStream), w.commit(h)
}

// Cancel drops the upload.
func (w *blobWriter) Cancel() error {
	if !w.ended {
		w.ended = true
		w.cancel()
	}
	return nil
}

// MountBlob finds that the blob is there already: repositories share them.
func (b *backend) MountBlob(_ context.Context, _, _ string, d ociregistry.Digest) (ociregistry.Descriptor, error) {
	h, err := toHash(d)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	if !b.s.touchBlob(h, -1) {
		return ociregistry.Descriptor{}, ociregistry.ErrBlobUnknown
	}
	return ociregistry.Descriptor{Digest: d, MediaType: octetStream}, nil
}

// PushManifest stores a manifest whose parts are all there.
func (b *backend) PushManifest(ctx context.Context, repo, tag string, content []byte, mediaType string) (ociregistry.Descriptor, error) {
	var refs references
	if err := json.Unmarshal(content, &refs); err != nil {
		return ociregistry.Descriptor{}, fmt.Errorf("%w: %w", ociregistry.ErrManifestInvalid, err)
	}
	n := Name{Repository: repo, Tag: tag}
	if !validRepository(repo) || tag != "" && !validTag(tag) {
		return ociregistry.Descriptor{}, ociregistry.ErrNameInvalid
	}
	unlock, err := b.s.lock(ctx, false)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	defer unlock()
	if err := b.checkReferences(refs); err != nil {
		return ociregistry.Descriptor{}, err
	}
	h, err := b.s.writeBytes(content)
	if err != nil {
		return ociregistry.Descriptor{}, err
	}
	if err := b.s.linkManifest(repo, h, types.MediaType(mediaType)); err != nil {
		return ociregistry.Descriptor{}, err
	}
	if tag != "" {
		err = b.s.writeTag(n, h)
	}
	return descriptor(h, int64(len(content)), types.MediaType(mediaType)), err
}

func (b *backend) checkReferences(refs references) error {
	wanted := slices.Concat(refs.Layers, refs.Blobs, refs.Manifests)
	if refs.Config != nil {
		wanted = append(wanted, *refs.Config)
	}
	for _, d := range wanted {
		if !d.MediaType.IsDistributable() && d.MediaType != "" && d.MediaType.IsLayer() {
			continue // foreign layers are never pushed
		}
		if !b.s.hasBlob(d.Digest) {
			return fmt.Errorf("%w: %s", ociregistry.ErrManifestBlobUnknown, d.Digest)
		}
	}
	return nil
}

// DeleteManifest takes a manifest out of the repository, with its tags there.
func (b *backend) DeleteManifest(ctx context.Context, repo string, d ociregistry.Digest) error {
	h, err := toHash(d)
	if err != nil {
		return err
	}
	unlock, err := b.s.lock(ctx, false)
	if err != nil {
		return err
	}
	defer unlock()
	err = os.Remove(b.s.repoPath(repo, "_manifests", h.Hex))
	if errors.Is(err, os.ErrNotExist) {
		return ociregistry.ErrManifestUnknown
	}
	if err != nil {
		return err
	}
	tags, err := b.s.tags(repo)
	for _, t := range tags {
		path := b.s.repoPath(repo, "_tags", escape(t))
		if named, readErr := readTag(path); readErr == nil && named == h {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// DeleteTag removes a name; its manifest stays until the collector comes.
func (b *backend) DeleteTag(ctx context.Context, repo, tag string) error {
	err := b.s.Untag(ctx, repo+":"+tag)
	if errors.Is(err, ErrNotFound) {
		return ociregistry.ErrManifestUnknown
	}
	return err
}

// Repositories lists those that a registry can have: names without a host's
// port.
func (b *backend) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	var repos []string
	err := b.s.walkRepos(func(repository, _ string) error {
		if repository > after && !strings.Contains(repository, ":") {
			repos = append(repos, repository)
		}
		return nil
	})
	if err != nil {
		return ociregistry.ErrorSeq[string](err)
	}
	slices.Sort(repos)
	return ociregistry.SliceSeq(repos)
}

// Tags lists the tags of a repository.
func (b *backend) Tags(_ context.Context, repo, after string) iter.Seq2[string, error] {
	if !exists(b.s.repoPath(repo, "_tags")) && !exists(b.s.repoPath(repo, "_manifests")) {
		return ociregistry.ErrorSeq[string](ociregistry.ErrNameUnknown)
	}
	tags, err := b.s.tags(repo)
	if err != nil {
		return ociregistry.ErrorSeq[string](err)
	}
	return ociregistry.SliceSeq(slices.DeleteFunc(tags, func(t string) bool { return t <= after }))
}

// Referrers lists the manifests of a repository whose subject is d.
func (b *backend) Referrers(_ context.Context, repo string, d ociregistry.Digest, artifactType string) iter.Seq2[ociregistry.Descriptor, error] {
	manifests, err := b.s.manifests(repo)
	if err != nil {
		return ociregistry.ErrorSeq[ociregistry.Descriptor](err)
	}
	var found []ociregistry.Descriptor
	for h, mediaType := range manifests {
		raw, err := b.s.readSmall(h)
		if err != nil {
			continue // collected meanwhile
		}
		var m struct {
			Subject      *v1.Descriptor    `json:"subject"`
			ArtifactType string            `json:"artifactType"`
			Config       v1.Descriptor     `json:"config"`
			Annotations  map[string]string `json:"annotations"`
		}
		if json.Unmarshal(raw, &m) != nil || m.Subject == nil || m.Subject.Digest.String() != string(d) {
			continue
		}
		desc := descriptor(h, int64(len(raw)), mediaType)
		desc.ArtifactType, desc.Annotations = cmp.Or(m.ArtifactType, string(m.Config.MediaType)), m.Annotations
		if artifactType == "" || artifactType == desc.ArtifactType {
			found = append(found, desc)
		}
	}
	slices.SortFunc(found, func(a, b ociregistry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return ociregistry.SliceSeq(found)
}
