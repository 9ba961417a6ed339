package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/internal/registry"
)

const (
	// pushJobs is how many layers of an image are sent at once.
	pushJobs = 4
	// pushTries is how often a request is made that fails for reasons that may
	// pass: the connection, 408, 429 and 5xx.
	pushTries = 4
	// pushWait is the time before the second try.
	pushWait = time.Second
)

// labelRequires names a program that an image needs from the machine that runs
// it. Such an image is of no use to a container engine, so it is not pushed.
const labelRequires = "com.github.faas-cli.requires"

// Registry pushes images to registries.
type Registry struct {
	// Transport carries all requests; nil refuses to push.
	Transport http.RoundTripper
	// Keychain is asked for credentials of the registry in question only, and
	// only when it is pushed to. nil: none.
	Keychain  authn.Keychain
	UserAgent string
}

// RegistryError is a registry's refusal.
type RegistryError struct {
	Image    string
	Registry string
	Status   int // of HTTP; 0 where no answer came
	Err      error
}

// Error names the image and what the registry said, which never holds
// credentials.
func (e *RegistryError) Error() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return fmt.Sprintf("push %q: registry %s wants credentials (401)", e.Image, e.Registry)
	case http.StatusForbidden:
		return fmt.Sprintf("push %q: registry %s does not allow it with these credentials (403)", e.Image, e.Registry)
	}
	if dial, ok := e.dialled(); ok {
		return fmt.Sprintf("push %q: registry %s cannot be reached: %v", e.Image, e.Registry, dial)
	}
	return fmt.Sprintf("push %q: %v", e.Image, e.Err)
}

// Unwrap returns the cause.
func (e *RegistryError) Unwrap() error { return e.Err }

// Unauthorized says that credentials are missing or refused.
func (e *RegistryError) Unauthorized() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// Unreachable says that no connection came about.
func (e *RegistryError) Unreachable() bool {
	_, ok := e.dialled()
	return ok
}

// dialled returns the error of the first attempt to connect: go-containerregistry
// tries https, then http, and joins what both said.
func (e *RegistryError) dialled() (*net.OpError, bool) {
	dial, ok := errors.AsType[*net.OpError](e.Err)
	return dial, ok && e.Status == 0 && dial.Op == "dial"
}

// options are those of all requests to one registry.
func (r Registry) options(ctx context.Context) []remote.Option {
	keychain := r.Keychain
	if keychain == nil {
		keychain = authn.NewMultiKeychain() // knows nobody
	}
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(patient{r.Transport}),
		remote.WithAuthFromKeychain(keychain),
		remote.WithUserAgent(r.UserAgent),
		remote.WithJobs(pushJobs),
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Nanosecond, Steps: pushTries}), // again waits
		remote.WithRetryPredicate(again(ctx)),
		remote.WithRetryStatusCodes(http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout),
	}
}

// PushStored pushes the image that the store has under the name image, with
// all its platforms, to the registry that the name says, under extraTags too.
// What the registry has already is not sent. progress may be nil. It fails
// with registry.ErrNotFound or a [RegistryError].
func (r Registry) PushStored(ctx context.Context, store *registry.Store, image string, extraTags []string, progress func(done, total int64)) (digest.Digest, error) {
	h, ok, err := store.Resolve(image)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("push %q: %w", image, registry.ErrNotFound)
	}
	built, err := stored(ctx, store, h)
	if err != nil {
		return "", fmt.Errorf("push %q: %w", image, err)
	}
	return r.push(ctx, built, image, extraTags, progress)
}

// stored opens an image or an index of the store.
func stored(ctx context.Context, store *registry.Store, h v1.Hash) (artifact, error) {
	_, mediaType, err := store.Manifest(h)
	if err != nil {
		return nil, err
	}
	if mediaType.IsIndex() {
		idx, err := store.Index(ctx, h)
		return indexArtifact{idx}, err
	}
	img, err := store.Image(ctx, h)
	return imageArtifact{img}, err
}

// push sends an image or index under its name and extra tags.
func (r Registry) push(ctx context.Context, built artifact, image string, extraTags []string, progress func(done, total int64)) (digest.Digest, error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	if r.Transport == nil {
		return "", fmt.Errorf("push %q: no transport", image)
	}
	if img, ok := built.(imageArtifact); ok {
		if err := portable(image, img); err != nil {
			return "", err
		}
	}
	if err := r.write(ctx, ref, built, progress); err != nil {
		return "", r.failed(ctx, image, ref, err)
	}
	h, err := built.Digest()
	if err != nil {
		return "", err
	}
	for _, tag := range extraTags {
		t, err := name.NewTag(ref.Context().Name() + ":" + tag)
		if err != nil {
			return "", fmt.Errorf("extra tag %q: %w", tag, err)
		}
		if err := remote.Tag(t, taggable{built}, r.options(ctx)...); err != nil {
			return "", r.failed(ctx, t.String(), ref, err)
		}
	}
	return digest.Digest(h.String()), nil
}

func (r Registry) write(ctx context.Context, ref name.Reference, built artifact, progress func(done, total int64)) error {
	options := append(r.options(ctx), remote.WithTransport(&uploads{next: patient{r.Transport}, tell: progress}))
	switch a := built.(type) {
	case imageArtifact:
		return remote.Write(ref, a.Image, options...)
	case indexArtifact:
		return remote.WriteIndex(ref, a.ImageIndex, options...)
	}
	return errors.ErrUnsupported
}

// failed says what went wrong, without the address that a registry may have
// put a signature into.
func (r Registry) failed(ctx context.Context, image string, ref name.Reference, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &RegistryError{Image: image, Registry: ref.Context().RegistryStr(), Err: err}
	if answer := (*transport.Error)(nil); errors.As(err, &answer) {
		e.Status = answer.StatusCode
	}
	return e
}

// portable refuses an image that only this machine can run.
func portable(image string, img v1.Image) error {
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	if needs := file.Config.Labels[labelRequires]; needs != "" {
		return fmt.Errorf("push %q: the image needs the %s of the machine that built it: build it with a container engine", image, needs)
	}
	return nil
}

// taggable is an artifact as package remote tags it.
type taggable struct{ artifact }

var _ remote.Taggable = taggable{}

// MediaType is that of the manifest.
func (t taggable) MediaType() (types.MediaType, error) { return t.artifact.MediaType() }

// held asks a registry what it has under a name.
func (r Registry) held(ctx context.Context, image string) (Held, error) {
	ref, err := name.ParseReference(image)
	if err != nil || r.Transport == nil {
		return Held{}, err
	}
	img, err := remote.Image(ref, r.options(ctx)...)
	if err != nil {
		return Held{}, err
	}
	desc, err := remote.Head(ref, r.options(ctx)...)
	if err != nil {
		return Held{}, err
	}
	return heldImage(desc.Digest, img)
}

// repository returns the image's name without tag and digest, as extra tags
// are added to it.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}
