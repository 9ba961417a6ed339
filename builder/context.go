package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// A ContextBuilder prepares the build contexts of one project. It may be used
// by several goroutines at once. A template is read once for all contexts.
type ContextBuilder struct {
	// Project is the working directory: handlers and extra paths are relative
	// to it and cannot leave it. It stays open as long as contexts are in use.
	Project *os.Root
	// Extras are paths that go into the handler folder of every function.
	Extras []string
	// DirMode is the mode of the folders that Context.WriteDir makes by itself
	// (build, build/NAME and the handler's), before the umask; 0 means 0700.
	DirMode fs.FileMode

	mask      onceMask
	templates onceTrees
	buffers   sync.Pool // of *[]byte, see dirWriter
}

// onceTrees are the trees of templates, each read once however many functions
// there are.
type onceTrees struct {
	mu    sync.Mutex
	trees map[string]func() (*node, error)
}

// of returns the tree of the template called name, which read reads.
func (o *onceTrees) of(name string, read func() (*node, error)) (*node, error) {
	o.mu.Lock()
	once, known := o.trees[name]
	if !known {
		if o.trees == nil {
			o.trees = map[string]func() (*node, error){}
		}
		once = sync.OnceValues(read)
		o.trees[name] = once
	}
	o.mu.Unlock()
	return once()
}

// dockerfileLanguage is the template of functions that bring a Dockerfile.
const dockerfileLanguage = "dockerfile"

// A Context is the virtual tree that an image is built from: the template's
// files, then the handler's over them, then the extra paths. Nothing is copied
// until someone asks. It may be used by several goroutines at once.
type Context struct {
	Function string          // name of the function
	Language string          // name of the template
	Spec     schema.Template // of the template; empty for "dockerfile"

	local   *schema.LocalBuild
	handler string // where the handler is in the tree: slash separated, "." for the root
	project *os.Root
	dirMode fs.FileMode
	umask   func(*os.Root) (fs.FileMode, error)
	buffers *sync.Pool

	disks []*disk // that handler and extra paths are on

	tree *node // everything
	sent *node // what engines are sent: tree without what .dockerignore leaves out

	mu      sync.Mutex
	holders int            // see hold
	digests map[*node]seen // contents by node, so that they are read once
}

// hold keeps the folders that the context is read from open, once they are, until
// the last of all that hold it lets go. They are opened again when they are
// needed: of many contexts, only those that are worked on are open.
func (c *Context) hold() (release func()) {
	c.mu.Lock()
	c.holders++
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.holders--; c.holders > 0 {
			return
		}
		for _, d := range c.disks {
			d.close()
		}
	}
}

// Local is the local block that the native engine may act on: nil where the
// template has none or the user does not trust it.
func (c *Context) Local() *schema.LocalBuild { return c.local }

// Sources lists the files of the tree, by name, and where each comes from.
func (c *Context) Sources() iter.Seq2[string, string] {
	return func(yield func(name, from string) bool) {
		_ = c.tree.walk(func(name string, n *node) error { // the only error ends the walk
			if !n.isDir() && !yield(name, n.where()) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// source is what a context is made of.
type source struct {
	function string
	language string // "dockerfile" has no template
	handler  string // as in the stack file

	template      fs.FS  // with fs.ReadLinkFS; nil for "dockerfile"
	templateDir   string // of the project, if it is there; else empty
	spec          schema.Template
	local         *schema.LocalBuild
	handlerFolder string // slash separated; empty: "function"
}

// Prepare lays fn's handler and the extra paths over the template t, which is
// not used where the function brings a Dockerfile. Nothing is written, but
// everything is looked at: links that leave their source (a [LinkError]),
// paths that leave the project and what is neither file, folder nor link are
// errors here, before anything is built.
func (b *ContextBuilder) Prepare(ctx context.Context, fn stack.Function, t templates.Template) (*Context, error) {
	s := source{function: fn.Name, language: fn.Language, handler: fn.Handler}
	switch {
	case fn.Language == "":
		return nil, fmt.Errorf("function %q has no lang", fn.Name)
	case strings.EqualFold(fn.Language, dockerfileLanguage):
		s.language = dockerfileLanguage
	default:
		s.template, s.spec, s.handlerFolder = t.FS, t.Config, t.HandlerFolder()
		if rel, ok := strings.CutPrefix(t.Dir, "./"); ok {
			s.templateDir = rel
		}
		if t.Trusted {
			s.local = t.Config.Local
		}
	}
	return b.prepare(ctx, s)
}

// prepare lays handler and extras over the template.
func (b *ContextBuilder) prepare(ctx context.Context, s source) (*Context, error) {
	if err := checkName(s.function); err != nil {
		return nil, err
	}
	c := &Context{
		Function: s.function, Language: s.language, Spec: s.spec, local: s.local, handler: ".",
		project: b.Project, dirMode: b.DirMode, umask: b.mask.of, buffers: &b.buffers,
		tree: newDir("."), digests: map[*node]seen{},
	}
	defer c.hold()()
	if c.dirMode == 0 {
		c.dirMode = 0o700
	}
	if s.template != nil {
		if c.handler = s.handlerFolder; c.handler == "" {
			c.handler = "function"
		}
		if !fs.ValidPath(c.handler) || !filepath.IsLocal(filepath.FromSlash(c.handler)) {
			return nil, fmt.Errorf("handler_folder %q of template %s leaves the build context", c.handler, s.language)
		}
		template, err := b.templates.of(s.language, func() (*node, error) { return b.scanTemplate(s) })
		if err != nil {
			return nil, err
		}
		c.tree = template.cloneDirs()
	}
	dst, err := c.tree.mkdirAll(c.handler)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := b.layHandler(c, s.handler, dst); err != nil {
		return nil, err
	}
	for _, extra := range b.Extras {
		if err := b.layExtra(c, extra, dst); err != nil {
			return nil, err
		}
	}
	c.tree.seal()
	if c.sent, err = applyDockerIgnore(c.tree); err != nil {
		return nil, err
	}
	return c, nil
}

// scanTemplate reads what files a template has.
func (b *ContextBuilder) scanTemplate(s source) (*node, error) {
	from := &layer{what: "template " + s.language, fsys: s.template, dir: ".", kept: &keptFiles{room: keptBytes}}
	if s.templateDir != "" {
		find := func() (*os.Root, error) { return b.Project.OpenRoot(filepath.FromSlash(s.templateDir)) }
		if d, err := openDisk(find); err == nil {
			from.disk = d // the same folder, reached faster
		}
	}
	tree := newDir(".")
	o := overlay{from: from}
	return tree, o.onto(tree)
}

// layHandler lays the handler's folder over dst.
func (b *ContextBuilder) layHandler(c *Context, handler string, dst *node) error {
	dir, err := b.inProject(handler)
	if err != nil {
		return fmt.Errorf("handler %q: %w", handler, err)
	}
	if b.isState(dir) {
		return fmt.Errorf("handler %q: holds credentials", handler)
	}
	d, err := c.openDisk(dir)
	if err != nil {
		if info, statErr := b.Project.Stat(dir); statErr == nil && !info.IsDir() {
			err = errNoFolder
		}
		return fmt.Errorf("handler %q: %w", handler, b.cause(dir, err))
	}
	from := &layer{what: "handler " + handler, show: filepath.ToSlash(dir), disk: d}
	o := overlay{from: from}
	ignored, err := readFaasIgnore(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %q: %w", path.Join(handler, faasIgnore), cause(err))
	}
	o.skip = func(at, name string, dir bool) bool {
		// What `build` and `template pull` make in a project is not part of a
		// handler that is the project itself.
		return at == "" && (name == "build" || name == "template") || ignored != nil && ignored(inDir(at, name), dir)
	}
	return o.onto(dst)
}

// openDisk opens a folder of the project that the context is read from.
func (c *Context) openDisk(dir string) (*disk, error) {
	d, err := openDisk(func() (*os.Root, error) { return c.project.OpenRoot(dir) })
	if err == nil {
		c.disks = append(c.disks, d)
	}
	return d, err
}

// layExtra puts an extra path below dst under the path as it is written.
func (b *ContextBuilder) layExtra(c *Context, extra string, dst *node) error {
	name, err := b.inProject(extra)
	switch {
	case err == nil && name == ".":
		err = errors.New("is the entire project: name the folders that are needed")
	case err == nil && b.isState(name):
		err = errors.New("holds credentials")
	}
	if err != nil {
		return fmt.Errorf("extra path %q: %w", extra, err)
	}
	info, err := b.Project.Stat(name)
	if err != nil {
		return fmt.Errorf("extra path %q: %w", extra, b.cause(name, err))
	}
	slashed := filepath.ToSlash(name)
	from := &layer{what: "extra path " + extra, show: slashed, fsys: b.Project.FS(), dir: slashed}
	if !info.IsDir() {
		parent, err := dst.mkdirAll(path.Dir(slashed))
		if err != nil {
			return fmt.Errorf("extra path %q: %w", extra, err)
		}
		if there := parent.child(path.Base(slashed)); there != nil && there.isDir() {
			return fmt.Errorf("extra path %q: %s has a folder of that name", extra, there.origin())
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("extra path %q: no file or folder (%s)", extra, kindName(info.Mode().Type()))
		}
		parent.put(&node{name: path.Base(slashed), from: from, base: "."})
		return nil
	}
	if from.disk, err = c.openDisk(name); err != nil {
		return fmt.Errorf("extra path %q: %w", extra, cause(err))
	}
	top, err := dst.mkdirAll(slashed)
	if err != nil {
		return fmt.Errorf("extra path %q: %w", extra, err)
	}
	if top.from == nil {
		top.from, top.base = from, "."
	}
	o := overlay{from: from}
	return o.onto(top)
}

// inProject cleans a path that a user gave, relative to the project or
// absolute within it. Links are the project's [os.Root]'s to judge.
func (b *ContextBuilder) inProject(p string) (string, error) {
	if p == "" {
		return "", errors.New("no path given")
	}
	if filepath.IsAbs(p) {
		rel, err := filepath.Rel(b.Project.Name(), p)
		if err != nil {
			return "", errOutside
		}
		p = rel
	}
	p = filepath.Clean(p)
	if !filepath.IsLocal(p) {
		return "", errOutside
	}
	return p, nil
}

// cause is why the path name of the project cannot be opened, in our terms where
// a link leads out of the project.
func (b *ContextBuilder) cause(name string, err error) error {
	top, topErr := filepath.EvalSymlinks(b.Project.Name())
	resolved, pathErr := filepath.EvalSymlinks(filepath.Join(b.Project.Name(), name))
	if topErr != nil || pathErr != nil {
		return cause(err)
	}
	if rel, relErr := filepath.Rel(top, resolved); relErr != nil || !filepath.IsLocal(rel) {
		return errOutside
	}
	return cause(err)
}

// isState says whether a path of the project leads into the folder that holds
// credentials, itself or through links.
func (b *ContextBuilder) isState(name string) bool {
	resolved, err := filepath.EvalSymlinks(filepath.Join(b.Project.Name(), name))
	if err != nil {
		resolved = name // whoever opens it will say what is wrong
	}
	for elem := range strings.SplitSeq(filepath.ToSlash(name)+"/"+filepath.ToSlash(resolved), "/") {
		if strings.EqualFold(elem, stateDir) {
			return true
		}
	}
	return false
}

var errOutside = errors.New("outside of the project")

// checkName accepts DNS labels only: names become folders and images.
func checkName(name string) error {
	ok := len(name) > 0 && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	if !ok {
		return fmt.Errorf("invalid function name %q: up to 63 of a-z, 0-9 and inner dashes", name)
	}
	return nil
}

// seen is a file's content as it was read, and what the file looked like then.
type seen struct {
	digest digest.Digest
	stamp  stamp
}
