package builder

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/internal/filelock"
	"github.com/faas-cli/faas-cli/internal/registry"
)

// NativeName is the name of the native engine.
const NativeName = "native"

// Native builds images with the tool chains of this machine and no container
// engine, from templates that say how in their local block. The images land in
// the image store.
type Native struct {
	Store *registry.Store
	// Cache is a folder of the user for sources as they are compiled and for
	// installed dependencies. It can be removed at any time.
	Cache string
	// Env is the environment of the tool chains, as KEY=VALUE. They are found
	// through its PATH.
	Env []string
	// Registry is what registry outputs are pushed with.
	Registry Registry

	// Tools may be shared with other builds of the same command; nil: it is not.
	Tools *Tools

	own Tools
}

func (n *Native) tools() *Tools {
	if n.Tools != nil {
		return n.Tools
	}
	return &n.own
}

var _ Keeper = (*Native)(nil)

// Kinds of local blocks, and the only version of them.
const (
	kindGo       = "go"
	kindPython   = "python"
	localVersion = 1
)

// Folders of the cache: of functions as they are compiled, and of installed
// dependencies.
const (
	workFolder   = "work"
	pythonFolder = "python"
)

// Capabilities of the native engine.
func (n *Native) Capabilities(context.Context) (Capabilities, error) {
	return Capabilities{
		Name:          NativeName,
		Outputs:       []OutputKind{OutputEngine, OutputLocal, OutputRegistry, OutputOCI, OutputTar},
		Platform:      hostPlatform(),
		MultiPlatform: true, CrossPlatform: true,
		Labels: true, NoCache: true, ExtraTags: true, Debug: true,
		Pull:           true, // there are no base images: the newest ones are used
		NeedsLocalSpec: true,
	}, nil
}

// CheckRequest refuses what depends on the kind of the function.
func (n *Native) CheckRequest(req Request) error {
	local := req.Context.Local()
	switch {
	case local == nil:
		return &NoLocalError{Language: req.Context.Language}
	case local.Version != localVersion:
		return fmt.Errorf("template %s: version %d of its local block is not known", req.Context.Language, local.Version)
	case !fs.ValidPath(local.Entry) || local.Entry == ".":
		return fmt.Errorf("template %s: entry %q of its local block leaves the template", req.Context.Language, local.Entry)
	case local.Kind != kindGo && local.Kind != kindPython:
		return fmt.Errorf("template %s: kind %q of its local block is not known", req.Context.Language, local.Kind)
	}
	if local.Kind != kindPython {
		return nil
	}
	// The image holds the function but no Python: that of this machine runs it.
	for _, o := range req.Outputs {
		if o.Kind != OutputEngine && o.Kind != OutputLocal {
			return &UnsupportedError{Engine: NativeName, What: "images of Python functions for other machines (they would have no Python)"}
		}
	}
	for _, p := range req.Platforms {
		if p != nativePlatform() {
			return &UnsupportedError{Engine: NativeName, What: "Python functions for " + p.String()}
		}
	}
	_, err := requirements(nativeTree(req.Context.tree), req.Context.handler)
	return err
}

// nativePlatform is what processes of this machine are built for.
func nativePlatform() Platform { return Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH} }

// platforms are those of the request, or the one that its outputs want: a
// process of this machine where the image stays here, else a container.
func (n *Native) platforms(req Request) []Platform {
	if len(req.Platforms) > 0 {
		return req.Platforms
	}
	for _, o := range req.Outputs {
		if o.Kind != OutputEngine && o.Kind != OutputLocal {
			return []Platform{hostPlatform()}
		}
	}
	return []Platform{nativePlatform()}
}

// toolchain builds one kind of function.
type toolchain interface {
	// identity is the tool and its version.
	identity(ctx context.Context, c *Context) (string, error)
	// interpreter is the program that the image needs of this machine, as a
	// path; empty: none.
	interpreter(ctx context.Context, c *Context) (string, error)
	// image fills in the configuration and returns the layers of the image for
	// one platform, the one that changes least first.
	image(ctx context.Context, b *nativeBuild, p Platform, config *v1.Config) ([]v1.Layer, error)
}

func (n *Native) toolchain(req Request) toolchain {
	if req.Context.Local().Kind == kindPython {
		return &pythonTool{n}
	}
	return &goTool{n}
}

// lockDir makes dir and keeps other builds out of it until the lock is
// released. It waits for them, or for the end of ctx.
func lockDir(ctx context.Context, dir string) (*filelock.Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("prepare build: %w", err)
	}
	lock := filepath.Join(dir, lockFile)
	held, err := filelock.Exclusive(ctx, lock)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(lock, now, now) // else it is taken for unused too early, which costs time only
	return held, nil
}

// Fingerprint is that of the request under the tool chain that would build it.
func (n *Native) Fingerprint(ctx context.Context, req Request) (digest.Digest, error) {
	if err := n.CheckRequest(req); err != nil {
		return "", err
	}
	identity, err := n.toolchain(req).identity(ctx, req.Context)
	if err != nil {
		return "", err
	}
	c := req.Context
	content, err := c.fingerprint(ctx, nativeTree(c.tree), plainMode)
	if err != nil {
		return "", err
	}
	req.Platforms = n.platforms(req)
	return req.fingerprint(fmt.Sprintf("%s/%d %s", NativeName, localVersion, identity), content)
}

// nativeTree is a context without the files of a template that are about
// itself and say when it was pulled.
func nativeTree(tree *node) *node {
	out := *tree
	out.children = slices.DeleteFunc(slices.Clone(tree.children), func(c *node) bool {
		return c.from != nil && !c.isDir() && (c.name == "meta.json" || c.name == "template.yml" || c.name == "Dockerfile")
	})
	return &out
}

// Held says what the outputs of req hold.
func (n *Native) Held(ctx context.Context, req Request, o Output) (Held, error) {
	switch o.Kind {
	case OutputEngine, OutputLocal:
		return n.heldHere(ctx, req)
	case OutputRegistry:
		return n.Registry.held(ctx, req.Image)
	case OutputOCI, OutputTar:
	}
	return Held{}, nil
}

// heldHere says what the image store has. What was built for an interpreter
// that is no longer the user's does not count.
func (n *Native) heldHere(ctx context.Context, req Request) (Held, error) {
	held, err := heldIn(ctx, n.Store, req.Image)
	if err != nil || held.Digest == "" {
		return held, err
	}
	interpreter, err := n.toolchain(req).interpreter(ctx, req.Context)
	if err != nil {
		return Held{}, err
	}
	h, err := v1.NewHash(held.Digest.String())
	if err != nil || n.Store.Interpreter(h) != interpreter {
		return Held{}, err
	}
	return held, nil
}

// nativeBuild is one build under way.
type nativeBuild struct {
	n    *Native
	req  Request
	on   func(Event)
	tool toolchain
	dir  string   // folder of this function in the cache, locked
	root *os.Root // of dir
}

func (b *nativeBuild) tell(kind EventKind, text string) {
	b.on(Event{Function: b.req.Context.Function, Kind: kind, Text: text})
}

// Build builds the image and hands it to its outputs.
func (n *Native) Build(ctx context.Context, req Request, on func(Event)) (Result, error) {
	if err := n.CheckRequest(req); err != nil {
		return Result{}, err
	}
	b := &nativeBuild{n: n, req: req, on: on, tool: n.toolchain(req), dir: filepath.Join(n.Cache, workFolder, workName(req.Context))}
	held, err := lockDir(ctx, b.dir)
	if err != nil {
		return Result{}, err
	}
	defer held.Release()
	defer n.prune(time.Now())
	if b.root, err = os.OpenRoot(b.dir); err != nil {
		return Result{}, err
	}
	defer b.root.Close()
	b.noteArgs()
	platforms := n.platforms(req)
	images := make([]v1.Image, len(platforms))
	for i, p := range platforms { // one after another: each uses all cores itself
		if images[i], err = b.image(ctx, p); err != nil {
			return Result{}, err
		}
	}
	res := Result{Platforms: platforms}
	var built artifact = imageArtifact{images[0]}
	if len(images) > 1 {
		built = indexArtifact{join(images, platforms)}
	}
	for _, img := range images {
		m, err := img.Manifest()
		if err != nil {
			return Result{}, err
		}
		for _, l := range m.Layers {
			res.Size += l.Size
		}
	}
	h, err := built.Digest()
	if err != nil {
		return Result{}, err
	}
	res.Digest = digest.Digest(h.String())
	for _, o := range req.Outputs {
		if err := b.write(ctx, built, images, o); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

// noteArgs warns of arguments that have no effect without a Dockerfile.
func (b *nativeBuild) noteArgs() {
	if packages := b.req.Args[AdditionalPackage]; packages != "" {
		b.tell(EventWarning, fmt.Sprintf("system packages are not installed without a container engine: %s", packages))
	}
}

// image builds the image for one platform.
func (b *nativeBuild) image(ctx context.Context, p Platform) (v1.Image, error) {
	config := v1.Config{
		User:         "1000:1000",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		WorkingDir:   "/" + homeDir,
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels:       map[string]string{},
	}
	for k, v := range b.req.Labels {
		config.Labels[k] = v
	}
	layers, err := b.tool.image(ctx, b, p, &config)
	if err != nil {
		return nil, err
	}
	return assemble(p, config, layers)
}

// homeDir is where functions are in their images.
const homeDir = "home/app"

// assemble makes an image of layers. Nothing in it depends on the time or the
// machine.
func assemble(p Platform, config v1.Config, layers []v1.Layer) (v1.Image, error) {
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for _, l := range layers {
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: "faas-cli"}}); err != nil {
			return nil, err
		}
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = p.OS, p.Architecture, p.Variant
	file.Config = config
	return mutate.ConfigFile(img, file)
}

// join makes an index of the images of several platforms.
func join(images []v1.Image, platforms []Platform) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, p := range platforms {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[i], Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant},
		}})
	}
	return index
}

// artifact is an image or an index.
type artifact interface {
	partial.WithRawManifest
	Digest() (v1.Hash, error)
	MediaType() (types.MediaType, error)
}

type (
	imageArtifact struct{ v1.Image }
	indexArtifact struct{ v1.ImageIndex }
)

// write hands what was built to one output.
func (b *nativeBuild) write(ctx context.Context, built artifact, images []v1.Image, o Output) error {
	switch o.Kind {
	case OutputEngine, OutputLocal:
		return b.store(ctx, built, images)
	case OutputRegistry:
		b.tell(EventStep, "pushing "+b.req.Image)
		_, err := b.n.Registry.push(ctx, built, b.req.Image, b.req.ExtraTags, b.progress)
		return err
	case OutputOCI:
		return b.n.writeLayout(ctx, o.Dest, b.req.Image, built)
	case OutputTar:
		if len(images) > 1 {
			return &UnsupportedError{Engine: NativeName, What: "several platforms in one tar"}
		}
		return writeArchive(ctx, o.Dest, b.req.Image, images[0])
	}
	return &UnsupportedError{Engine: NativeName, What: fmt.Sprintf("output to %q", o.Kind)}
}

func (b *nativeBuild) progress(done, total int64) {
	b.on(Event{Function: b.req.Context.Function, Kind: EventProgress, Done: done, Total: total})
}

// store writes to the image store. What is there by the same digest is not
// written again.
func (b *nativeBuild) store(ctx context.Context, built artifact, images []v1.Image) error {
	interpreter, err := b.tool.interpreter(ctx, b.req.Context)
	if err != nil {
		return err
	}
	mark := func(d interface{ Digest() (v1.Hash, error) }) error {
		h, err := d.Digest()
		if err != nil {
			return err
		}
		return b.n.Store.MarkNative(h, interpreter)
	}
	if idx, ok := built.(indexArtifact); ok {
		_, err = b.n.Store.WriteIndex(ctx, b.req.Image, idx.ImageIndex)
	} else {
		_, err = b.n.Store.WriteImage(ctx, b.req.Image, images[0])
	}
	if err != nil {
		return fmt.Errorf("write image %q to the image store: %w", b.req.Image, err)
	}
	for _, img := range images {
		if err := mark(img); err != nil {
			return err
		}
	}
	return mark(built)
}

// workName is the cache's folder for a function: its name, and a digest that
// tells functions of several projects apart.
func workName(c *Context) string {
	sum := digest.FromString(c.project.Name()).Encoded()
	return strings.Join([]string{c.Function, sum[:12]}, "-")
}
