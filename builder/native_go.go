package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
)

const (
	// goEntry is the folder, in the handler's module, that the template's main
	// package is built in: so the handler's go.mod, go.sum and vendor folder
	// decide all versions, and nothing has to be downloaded for the entry
	// point.
	goEntry = "faasentry"
	// goModule is what the entry point imports the handler as, and the name of
	// the module of a handler that has no go.mod.
	goModule = "handler/function"
	goBinary = "handler"
)

// goTool builds functions in Go: one static binary, and the files of the
// handler that are no sources, for those that read them at run time.
type goTool struct{ n *Native }

func (g *goTool) find(ctx context.Context, c *Context) (string, string, error) {
	need := c.Local().MinimumTool
	missing := &ToolError{Tool: "go", Need: need, Lang: c.Language}
	path, err := lookPath(g.n.Env, "go")
	if err != nil {
		return "", "", missing
	}
	out, err := g.n.tools().of(ctx, g.n.Env, path, "env", "GOVERSION")
	if err != nil {
		if ctx.Err() != nil {
			return "", "", err
		}
		return "", "", fmt.Errorf("%s env GOVERSION: %w", path, err)
	}
	version := strings.TrimPrefix(out, "go")
	if need != "" && olderThan(version, need) {
		missing.Have = version
		return "", "", missing
	}
	return path, version, nil
}

func (g *goTool) identity(ctx context.Context, c *Context) (string, error) {
	_, version, err := g.find(ctx, c)
	return "go" + version + " " + digest.FromBytes(rootsPEM()).Encoded(), err
}

func (g *goTool) interpreter(context.Context, *Context) (string, error) { return "", nil }

func (g *goTool) image(ctx context.Context, b *nativeBuild, p Platform, config *v1.Config) ([]v1.Layer, error) {
	c := b.req.Context
	goPath, _, err := g.find(ctx, c)
	if err != nil {
		return nil, err
	}
	tree, handler, err := g.module(c)
	if err != nil {
		return nil, err
	}
	src := filepath.Join(b.dir, "src")
	if err := g.stage(ctx, b, tree); err != nil {
		return nil, err
	}
	b.tell(EventStep, "compiling for "+p.String())
	flags := "-ldflags=-s -w"
	if b.req.Debug {
		flags = "-gcflags=./...=-N -l" // of the handler's module only: the standard library takes a minute
	}
	out := "bin-" + strings.ReplaceAll(p.String(), "/", "-")
	compile := tool{
		name: "go build", path: goPath, dir: src,
		args: []string{"build", "-trimpath", "-buildvcs=false", flags, "-o", filepath.Join(b.dir, out, goBinary), "./" + goEntry},
		env:  append(append([]string{}, g.n.Env...), goEnv(p, b.req.Args)...),
		line: func(line string) string { return userLine(tree, line) },
		complaint: func(line string) bool {
			return !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go: downloading") && strings.Contains(line, ":")
		},
	}
	if err := compile.run(ctx, func(line string) { b.tell(EventLog, line) }); err != nil {
		return nil, err
	}
	b.tell(EventStep, "writing the image")
	bin, err := openDisk(func() (*os.Root, error) { return b.root.OpenRoot(out) })
	if err != nil {
		return nil, err
	}
	config.Entrypoint = []string{"/" + homeDir + "/" + goBinary}
	roots, err := rootsLayer()
	if err != nil {
		return nil, err
	}
	layers := []v1.Layer{roots}
	if assets := goAssets(handler); len(assets.children) > 0 {
		l, err := layerOf(ctx, below(homeDir, assets))
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	home := newDir(".")
	home.add(&node{name: goBinary, base: goBinary, from: &layer{what: "compiled function", disk: bin}})
	home.sort()
	l, err := layerOf(ctx, below(homeDir, home))
	if err != nil {
		return nil, err
	}
	return append(layers, l), nil
}

// module lays out the Go module that is compiled: the handler's files, extras
// included, with the entry point as one of its packages. It also returns the
// handler's folder.
func (g *goTool) module(c *Context) (tree, handler *node, err error) {
	handler = c.tree.lookup(c.handler)
	entry := c.tree.lookup(c.Local().Entry)
	if entry == nil || !entry.isDir() {
		return nil, nil, fmt.Errorf("template %s has no folder %q, which its local block names", c.Language, c.Local().Entry)
	}
	if there := handler.child(goEntry); there != nil {
		return nil, nil, fmt.Errorf("%q: the name is taken for the entry point of the function", there.where())
	}
	tree = newDir(".")
	tree.children = slices.Clone(handler.children)
	moved := *entry
	moved.name = goEntry
	tree.add(&moved)
	tree.sort()
	return tree, handler, nil
}

// stage writes the module to the cache, and makes the entry point import the
// handler by the name that its go.mod gives it.
func (g *goTool) stage(ctx context.Context, b *nativeBuild, tree *node) error {
	root, fresh, err := openDirs(b.root, "src", 0o700)
	if err != nil {
		return fmt.Errorf("prepare build: %w", cause(err))
	}
	defer root.Close()
	c := b.req.Context
	w := dirWriter{root: root, fresh: fresh, show: filepath.Join(b.dir, "src"), umask: c.umask, buffers: c.buffers}
	if err := w.write(ctx, tree); err != nil {
		return err
	}
	mod, err := root.ReadFile("go.mod")
	if errors.Is(err, fs.ErrNotExist) {
		mod = []byte("module " + goModule + "\n\ngo " + b.req.Context.Local().MinimumTool + "\n")
		err = root.WriteFile("go.mod", mod, 0o600)
	}
	if err != nil {
		return fmt.Errorf("prepare build: %w", cause(err))
	}
	name := firstLine(mod, "module")
	if name == goModule || name == "" {
		return nil // without a name, the compiler says it best
	}
	return renameImport(root, name)
}

// renameImport makes the sources of the entry point import the module name.
func renameImport(root *os.Root, name string) error {
	entries, err := fs.ReadDir(root.FS(), goEntry)
	if err != nil {
		return err
	}
	for _, e := range entries {
		file := path.Join(goEntry, e.Name())
		if !e.Type().IsRegular() || path.Ext(file) != ".go" {
			continue
		}
		content, err := root.ReadFile(file)
		if err != nil {
			return err
		}
		renamed := strings.Replace(string(content), `"`+goModule+`"`, `"`+name+`"`, 1)
		if renamed == string(content) {
			continue
		}
		if err := errors.Join(root.Remove(file), root.WriteFile(file, []byte(renamed), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// goEnv is what of the environment decides the result; the rest, such as the
// place of the caches and proxies, is the user's.
func goEnv(p Platform, args map[string]string) []string {
	env := []string{
		"CGO_ENABLED=0", "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-trimpath", "GOEXPERIMENT=",
		"GOOS=" + p.OS, "GOARCH=" + p.Architecture, "GOAMD64=v1", "GOARM64=v8.0", "GOARM=7",
	}
	if p.Variant != "" {
		switch p.Architecture {
		case "arm":
			env = append(env, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
		case "amd64":
			env = append(env, "GOAMD64="+p.Variant)
		}
	}
	for _, key := range []string{"GOPROXY", "GOPRIVATE", "GONOSUMDB", "GONOPROXY", "GOFLAGS"} {
		if v, ok := args[key]; ok { // arguments that templates in Go are used to get
			env = append(env, key+"="+v)
		}
	}
	return env
}

// goAssets is a handler without its sources: what the compiler has no use for
// may be read at run time.
func goAssets(handler *node) *node {
	out := *handler
	out.children = nil
	for _, c := range handler.children {
		switch {
		case c.isDir():
			if c.name == "vendor" && handler.child("go.mod") != nil {
				continue
			}
			if sub := goAssets(c); len(sub.children) > 0 {
				out.add(sub)
			}
		case path.Ext(c.name) == ".go", c.name == "go.mod", c.name == "go.sum", c.name == goBinary, c.name == ".gitignore":
		default:
			out.add(c)
		}
	}
	out.sort()
	return &out
}

// userLine puts the user's own file names into a line of the compiler, which
// names files of the staged module.
func userLine(tree *node, line string) string {
	file, rest, ok := strings.Cut(line, ":")
	if !ok {
		return line
	}
	indent := file[:len(file)-len(strings.TrimLeft(file, " \t"))]
	name := path.Clean(filepath.ToSlash(strings.TrimSpace(file)))
	if !fs.ValidPath(name) {
		return line
	}
	n := tree.lookup(name)
	if n == nil || n.from == nil || n.isDir() {
		return line
	}
	return indent + n.where() + ":" + rest
}
