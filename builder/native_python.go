package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
)

const (
	requirementsFile = "requirements.txt"
	// packagesDir is the folder beside the entry point that dependencies are
	// installed into.
	packagesDir = "packages"
)

// pythonTool builds functions in Python: their files as a layer, and their
// dependencies as another. The image has no Python: that of this machine runs
// it.
type pythonTool struct{ n *Native }

// pythonProbe prints what decides which dependencies fit, and where the program
// is that a version manager's script would start.
const pythonProbe = `import platform, sys, sysconfig
print(platform.python_version(), sysconfig.get_platform(), platform.python_implementation().lower())
print(sys.executable)`

func (t *pythonTool) find(ctx context.Context, c *Context) (pythonPath, identity string, err error) {
	need := c.Local().MinimumTool
	missing := &ToolError{Tool: "python3", Need: need, Lang: c.Language}
	if pythonPath, err = lookPath(t.n.Env, "python3"); err != nil {
		return "", "", missing
	}
	out, err := t.n.tools().of(ctx, t.n.Env, pythonPath, "-I", "-S", "-c", pythonProbe)
	if err != nil {
		if ctx.Err() != nil {
			return "", "", err
		}
		return "", "", fmt.Errorf("%s: %w", pythonPath, err)
	}
	about, executable, _ := strings.Cut(out, "\n")
	version, _, _ := strings.Cut(about, " ")
	if need != "" && olderThan(version, need) {
		missing.Have = version
		return "", "", missing
	}
	if executable != "" {
		pythonPath = executable
	}
	return pythonPath, "python " + about, nil
}

// identity names the Python only where it decides what is in the image: which
// dependencies are installed.
func (t *pythonTool) identity(ctx context.Context, c *Context) (string, error) {
	_, identity, err := t.find(ctx, c)
	if err != nil {
		return "", err
	}
	needs, err := requirements(nativeTree(c.tree), c.handler)
	if err != nil || hasRequirements(needs) {
		return identity, err
	}
	return "python", nil
}

func (t *pythonTool) interpreter(ctx context.Context, c *Context) (string, error) {
	path, _, err := t.find(ctx, c)
	return path, err
}

func (t *pythonTool) image(ctx context.Context, b *nativeBuild, _ Platform, config *v1.Config) ([]v1.Layer, error) {
	c := b.req.Context
	python, identity, err := t.find(ctx, c)
	if err != nil {
		return nil, err
	}
	tree := withoutBytecode(nativeTree(c.tree))
	if entry := tree.lookup(c.Local().Entry); entry == nil || entry.kind != 0 {
		return nil, fmt.Errorf("template %s has no file %q, which its local block names", c.Language, c.Local().Entry)
	}
	b.tell(EventStep, "checking the sources")
	if err := t.check(ctx, b, python, tree); err != nil {
		return nil, err
	}
	config.Entrypoint = []string{"python3", c.Local().Entry}
	config.Env = append(config.Env, "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1")
	config.Labels[labelRequires] = "python3"
	var layers []v1.Layer
	deps, err := t.dependencies(ctx, b, python, identity, tree)
	if err != nil {
		return nil, err
	}
	if deps != nil {
		layers = append(layers, deps)
	}
	b.tell(EventStep, "writing the image")
	l, err := layerOf(ctx, below(homeDir, tree))
	if err != nil {
		return nil, err
	}
	return append(layers, l), nil
}

// withoutBytecode leaves out what Python makes by itself, other on each
// machine.
func withoutBytecode(n *node) *node {
	out := *n
	out.children = nil
	for _, c := range n.children {
		switch {
		case c.isDir() && c.name == "__pycache__", path.Ext(c.name) == ".pyc":
		case c.isDir():
			out.add(withoutBytecode(c))
		default:
			out.add(c)
		}
	}
	out.sort()
	return &out
}

// pythonCheck compiles the files that it is given on standard input, a line
// each: how the user knows it, a tab, its size, and then that many bytes.
const pythonCheck = `
import sys, traceback
source, bad = sys.stdin.buffer, 0
for head in iter(source.readline, b""):
    name, size = head.decode().rstrip("\n").split("\t")
    try:
        compile(source.read(int(size)), name, "exec")
    except (SyntaxError, ValueError):
        traceback.print_exc(limit=0)
        bad = 1
sys.exit(bad)
`

// check finds syntax errors of the handler's own files, so that they fail the
// build and not the first call. Folders below may hold other people's code,
// with files that are not meant for this Python.
func (t *pythonTool) check(ctx context.Context, b *nativeBuild, python string, tree *node) error {
	r, w := newPipe()
	done := make(chan error, 1)
	go func() { // ends with the pipe, which run closes
		var err error
		for _, n := range tree.lookup(b.req.Context.handler).children {
			if err == nil && n.kind == 0 && path.Ext(n.name) == ".py" && n.from.disk != nil {
				err = sendSource(w, n)
			}
		}
		_ = w.CloseWithError(err)
		done <- err
	}()
	check := tool{
		name: "python3", path: python, dir: b.dir, env: t.n.Env, stdin: r,
		args:      []string{"-I", "-S", "-c", pythonCheck},
		complaint: func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), `File "`) },
	}
	var lines []string
	err := check.run(ctx, func(line string) {
		lines = append(lines, line)
		b.tell(EventLog, line)
	})
	_ = r.Close()
	if sent := <-done; sent != nil && !errors.Is(sent, errPipeClosed) {
		return sent
	}
	if failed := (*FailedError)(nil); errors.As(err, &failed) {
		failed.First = syntaxError(lines)
	}
	return err
}

// syntaxError makes one line of what Python prints in several: the place, and
// what is wrong.
func syntaxError(lines []string) string {
	place := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, `File "`); ok && place == "" {
			file, number, _ := strings.Cut(rest, `", line `)
			place = file + ":" + number
		}
		if place != "" && (strings.Contains(line, "Error: ")) {
			return place + ": " + line
		}
	}
	return place
}

// dependencies returns the layer of what requirements.txt names, or nil.
func (t *pythonTool) dependencies(ctx context.Context, b *nativeBuild, python, identity string, tree *node) (v1.Layer, error) {
	content, err := requirements(tree, b.req.Context.handler)
	if err != nil || !hasRequirements(content) {
		return nil, err
	}
	key := digest.FromString(identity + "\n" + string(content)).Encoded()
	dir := filepath.Join(t.n.Cache, pythonFolder, key[:32])
	held, err := lockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer held.Release()
	target := filepath.Join(dir, packagesDir)
	if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) || b.req.NoCache {
		if err := t.install(ctx, b, python, dir, target, content); err != nil {
			return nil, err
		}
	}
	return packagesLayer(ctx, dir)
}

// install installs into a folder that becomes target when it is complete.
func (t *pythonTool) install(ctx context.Context, b *nativeBuild, python, dir, target string, content []byte) error {
	b.tell(EventStep, "installing requirements")
	file := filepath.Join(dir, requirementsFile)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	unfinished := filepath.Join(dir, "unfinished")
	if err := errors.Join(os.RemoveAll(unfinished), os.RemoveAll(target)); err != nil {
		return err
	}
	pip := tool{
		name: "pip", path: python, dir: dir, env: t.n.Env,
		args: []string{
			"-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile", "--no-warn-script-location",
			"--target", unfinished, "-r", requirementsFile, // in dir, so that errors name it as the user does
		},
		complaint: func(line string) bool { return strings.HasPrefix(line, "ERROR:") },
	}
	if err := pip.run(ctx, func(line string) { b.tell(EventLog, line) }); err != nil {
		return err
	}
	// Scripts name the Python of this machine in their first line; functions
	// import what they need.
	if err := os.RemoveAll(filepath.Join(unfinished, "bin")); err != nil {
		return err
	}
	return os.Rename(unfinished, target)
}

// packagesLayer is the layer of installed packages below dir.
func packagesLayer(ctx context.Context, dir string) (v1.Layer, error) {
	folder, err := openDisk(func() (*os.Root, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer root.Close() //nolint:errcheck // only a name was looked up
		return root.OpenRoot(packagesDir)
	})
	if err != nil {
		return nil, err
	}
	tree := newDir(".")
	top, err := tree.mkdirAll(path.Join(homeDir, packagesDir))
	if err != nil {
		return nil, err
	}
	o := overlay{
		from: &layer{what: "installed packages", disk: folder},
		skip: func(_, name string, dir bool) bool {
			return dir && name == "__pycache__" || path.Ext(name) == ".pyc"
		},
	}
	if err := o.onto(top); err != nil {
		return nil, err
	}
	tree.seal()
	return layerOf(ctx, tree)
}

// hasRequirements says whether a requirements.txt names anything.
func hasRequirements(content []byte) bool {
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}
