package plugin

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

// maxSize bounds a plugin, in bytes: an image that unpacks to more is broken
// or hostile.
const maxSize = 1 << 30

// Request says which plugin to fetch, and where to put it.
type Request struct {
	Name      string // also the last element of the image's name
	Registry  string // registry and path in front of Name
	Version   string // tag, or digest ("sha256:…")
	OS, Arch  string // as Go or uname spell them; empty: of this machine
	Dir       string // folder of the plugins, made if missing
	PublicKey []byte // PEM; not nil: the image must carry a cosign signature by it

	Transport http.RoundTripper // nil: the registry client's own
}

// Result describes an installed plugin.
type Result struct {
	Path   string
	Digest string // of the image, or of the index of its platforms
	Size   int64  // bytes
}

// Platform returns the platform of r as the image's index spells it.
func (r Request) Platform() v1.Platform {
	p := v1.Platform{OS: strings.ToLower(r.OS), Architecture: r.Arch}
	if p.OS == "" {
		p.OS = runtime.GOOS
	}
	switch strings.ToLower(p.Architecture) {
	case "":
		p.Architecture = runtime.GOARCH
	case "x86_64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	}
	return p
}

// reference returns the image that r names.
func (r Request) reference() (name.Reference, error) {
	sep := ":"
	if strings.Contains(r.Version, ":") {
		sep = "@"
	}
	return name.ParseReference(strings.TrimSuffix(r.Registry, "/") + "/" + r.Name + sep + r.Version)
}

// Get pulls the image of a plugin, anonymously, and puts the one file that is
// named like the plugin into the folder, wherever in the image it lies. It is
// unpacked as it arrives, beside its destination; nothing is left of a failed
// attempt, and a plugin that was there before is then still there.
func Get(ctx context.Context, r Request) (Result, error) {
	if err := CheckName(r.Name); err != nil {
		return Result{}, err
	}
	ref, err := r.reference()
	if err != nil {
		return Result{}, err
	}
	platform := r.Platform()
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(authn.Anonymous), remote.WithPlatform(platform),
	}
	if r.Transport != nil {
		options = append(options, remote.WithTransport(r.Transport))
	}
	desc, err := remote.Get(ref, options...)
	if err != nil {
		return Result{}, fmt.Errorf("fetch %s: %w", ref, err)
	}
	if r.PublicKey != nil {
		if err := verify(ref, desc.Digest, r.PublicKey, options); err != nil {
			return Result{}, fmt.Errorf("verify %s: %w", ref, err)
		}
	}
	img, err := desc.Image()
	if err != nil {
		return Result{}, fmt.Errorf("fetch %s for %s: %w", ref, platform, err)
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return Result{}, err
	}
	res := Result{Path: filepath.Join(r.Dir, fileName(r.Name, platform.OS)), Digest: desc.Digest.String()}
	err = atomicfile.Write(res.Path, 0o755, func(w io.Writer) error {
		res.Size, err = extract(img, r.Name, w)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	return res, nil
}

// extract copies the file called like the plugin out of the flattened image.
func extract(img v1.Image, plugin string, w io.Writer) (int64, error) {
	whole := &wholeImage{Image: img}
	layers := mutate.Extract(whole)
	defer func() { _ = layers.Close() }() // ends the goroutine that writes it
	var found string
	var size int64
	for tr := tar.NewReader(layers); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("unpack the image: %w", err)
		}
		base := path.Base(path.Clean(h.Name))
		if h.Typeflag != tar.TypeReg || base != plugin && base != plugin+".exe" {
			continue
		}
		if found != "" {
			return 0, fmt.Errorf("the image has two files named %q: %q and %q", plugin, found, h.Name)
		}
		found = h.Name
		if size, err = io.Copy(w, io.LimitReader(tr, maxSize+1)); err != nil {
			return 0, fmt.Errorf("unpack %q: %w", h.Name, err)
		}
		if size > maxSize {
			return 0, fmt.Errorf("%q is larger than %d bytes", h.Name, maxSize)
		}
	}
	if _, err := io.Copy(io.Discard, layers); err != nil { // at its end every layer has been closed
		return 0, fmt.Errorf("unpack the image: %w", err)
	}
	if whole.err != nil {
		return 0, fmt.Errorf("unpack the image: %w", whole.err)
	}
	if found == "" {
		return 0, fmt.Errorf("the image has no file named %q", plugin)
	}
	if size == 0 {
		return 0, errors.New("the plugin's file is empty")
	}
	return size, nil
}

// wholeImage is an image whose layers are read to their end when they are
// closed. A layer's digest is only checked there, and who unpacks a tar stops
// at the tar's own end, before the padding. It is for one reader.
type wholeImage struct {
	v1.Image

	err error // why the rest of a layer could not be read
}

func (i *wholeImage) Layers() ([]v1.Layer, error) {
	layers, err := i.Image.Layers()
	for n, l := range layers {
		layers[n] = wholeLayer{Layer: l, image: i}
	}
	return layers, err
}

type wholeLayer struct {
	v1.Layer

	image *wholeImage
}

func (l wholeLayer) Uncompressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	return &wholeReader{ReadCloser: rc, image: l.image}, nil
}

type wholeReader struct {
	io.ReadCloser

	image *wholeImage
}

func (r *wholeReader) Close() error {
	n, err := io.Copy(io.Discard, io.LimitReader(r.ReadCloser, maxSize+1))
	if err == nil && n > maxSize {
		err = fmt.Errorf("more than %d bytes follow the files of a layer", maxSize)
	}
	if r.image.err == nil {
		r.image.err = err
	}
	return r.ReadCloser.Close()
}
