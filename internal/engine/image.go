package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
)

// An Image is one that the engine holds.
type Image struct {
	ID       string   // digest of its configuration: sha256:…
	Tags     []string // with names, such as "me/fn:latest"
	Digests  []string // "me/fn@sha256:…", known once it was pushed or pulled
	OS, Arch string   // as GOOS and GOARCH
	Size     int64    // bytes, unpacked
	Created  time.Time

	User       string
	Env        []string // KEY=value
	Entrypoint []string
	Command    []string
	Ports      []string // exposed: "8080/tcp"
	Labels     map[string]string
	// HealthCheck says that the image tells the engine how to check its health.
	HealthCheck bool
}

// Image describes an image by name, ID or digest. Without one the error is [ErrNotFound].
func (c *Client) Image(ctx context.Context, ref string) (Image, error) {
	r, err := c.api.ImageInspect(ctx, ref)
	if err != nil {
		return Image{}, c.fail(ctx, fmt.Sprintf("image %q", ref), err)
	}
	img := Image{ID: r.ID, Tags: r.RepoTags, Digests: r.RepoDigests, OS: r.Os, Arch: r.Architecture, Size: r.Size}
	img.Created, _ = time.Parse(time.RFC3339Nano, r.Created) // zero if the image does not say
	if cfg := r.Config; cfg != nil {
		img.User, img.Env, img.Entrypoint, img.Command = cfg.User, cfg.Env, cfg.Entrypoint, cfg.Cmd
		img.Labels = cfg.Labels
		for port := range cfg.ExposedPorts {
			img.Ports = append(img.Ports, port)
		}
		if h := cfg.Healthcheck; h != nil && len(h.Test) > 0 && h.Test[0] != "NONE" {
			img.HealthCheck = true
		}
	}
	return img, nil
}

// ImagesLabelled lists the IDs of the images with all of the labels, each "key" or "key=value".
func (c *Client) ImagesLabelled(ctx context.Context, labels ...string) ([]string, error) {
	list, err := c.api.ImageList(ctx, image.ListOptions{Filters: labelFilter(labels)})
	if err != nil {
		return nil, c.fail(ctx, "list images", err)
	}
	ids := make([]string, len(list))
	for i, img := range list {
		ids[i] = img.ID
	}
	return ids, nil
}

// ImageNames lists the names, with tags, of the images in a repository such as "example.com/me/fn".
func (c *Client) ImageNames(ctx context.Context, repository string) ([]string, error) {
	list, err := c.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return nil, c.fail(ctx, "list images", err)
	}
	var names []string
	for _, img := range list {
		for _, name := range img.RepoTags {
			if strings.HasPrefix(name, repository+":") { // an image may have names elsewhere too
				names = append(names, name)
			}
		}
	}
	return names, nil
}

func labelFilter(labels []string) filters.Args {
	f := filters.NewArgs()
	for _, l := range labels {
		f.Add("label", l)
	}
	return f
}

// Tag gives an image another name.
func (c *Client) Tag(ctx context.Context, ref, name string) error {
	return c.fail(ctx, fmt.Sprintf("tag image %q as %q", ref, name), c.api.ImageTag(ctx, ref, name))
}

// RemoveImage takes a name off an image, and the image away when it was the last. With force an ID
// takes all names off. Images in use stay: [ErrConflict].
func (c *Client) RemoveImage(ctx context.Context, ref string, force bool) error {
	_, err := c.api.ImageRemove(ctx, ref, image.RemoveOptions{Force: force, PruneChildren: true})
	return c.fail(ctx, fmt.Sprintf("remove image %q", ref), err)
}

// Load reads a docker-archive tar, which names its images itself.
func (c *Client) Load(ctx context.Context, tar io.Reader) error {
	resp, err := c.api.ImageLoad(ctx, tar, client.ImageLoadWithQuiet(true))
	if err != nil {
		return c.fail(ctx, "load image", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	return c.follow(ctx, "load image", resp.Body, nil, nil)
}

// Save writes images as a docker-archive tar. The caller closes it.
func (c *Client) Save(ctx context.Context, refs ...string) (io.ReadCloser, error) {
	body, err := c.api.ImageSave(ctx, refs)
	return body, c.fail(ctx, "save image", err)
}

// Import makes an image of one layer out of a tar of its files.
func (c *Client) Import(ctx context.Context, tar io.Reader, name string) error {
	body, err := c.api.ImageImport(ctx, image.ImportSource{Source: tar, SourceName: "-"}, name, image.ImportOptions{})
	if err != nil {
		return c.fail(ctx, "import image", err)
	}
	defer body.Close() //nolint:errcheck // read to the end
	return c.follow(ctx, "import image", body, nil, nil)
}

// Push sends an image to the registry that its name says, with the account that there is for it, and returns the digest under which the registry has it.
// The events' steps are layers; on may be nil.
func (c *Client) Push(ctx context.Context, ref string, on func(Event)) (digest string, err error) {
	op := fmt.Sprintf("push %q", ref)
	account, err := c.registryAuth(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("%s: %w", op, err)
	}
	body, err := c.api.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: account})
	if err != nil {
		return "", c.fail(ctx, op, err)
	}
	defer body.Close() //nolint:errcheck // read to the end
	err = c.follow(ctx, op, body, on, func(aux json.RawMessage) {
		var pushed struct{ Digest string }
		if json.Unmarshal(aux, &pushed) == nil && pushed.Digest != "" {
			digest = pushed.Digest
		}
	})
	if err == nil && digest == "" {
		err = fmt.Errorf("%s: the engine did not say under which digest", op)
	}
	return digest, err
}

// Pull fetches an image, with the account that there is for its registry.
// An empty platform is the engine's own.
func (c *Client) Pull(ctx context.Context, ref, platform string, on func(Event)) error {
	op := fmt.Sprintf("pull %q", ref)
	account, err := c.registryAuth(ctx, ref)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	body, err := c.api.ImagePull(ctx, ref, image.PullOptions{RegistryAuth: account, Platform: platform})
	if err != nil {
		return c.fail(ctx, op, err)
	}
	defer body.Close() //nolint:errcheck // read to the end
	return c.follow(ctx, op, body, on, nil)
}

func (c *Client) registryAuth(ctx context.Context, ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	host := configKey(reference.Domain(named))
	a, err := c.auth.For(ctx, host)
	if err != nil {
		return "", err
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
		ServerAddress: host,
	})
}

// follow reads a progress stream to its end. Layers report in prose; only the numbers are used.
func (c *Client) follow(ctx context.Context, op string, body io.Reader, on func(Event), aux func(json.RawMessage)) error {
	dec := json.NewDecoder(body)
	for {
		var m message
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return c.fail(ctx, op, err)
		}
		switch {
		case m.ErrorDetail != nil:
			return fmt.Errorf("%s: %w", op, said(m.ErrorDetail.Message))
		case len(m.Aux) > 0 && aux != nil:
			aux(m.Aux)
		case m.ID != "" && on != nil:
			on(Event{Step: m.ID, Name: m.Status, State: StepProgress, Current: m.Progress.Current, Total: m.Progress.Total})
		}
	}
}
