package templates

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// Dir is the project's template folder, relative to the project.
const Dir = "template"

// ConfigFile is what makes a folder a template.
const ConfigFile = "template.yml"

// defaultHandler is where the handler goes in templates that do not say.
const defaultHandler = "function"

// maxConfig bounds a template.yml, in bytes.
const maxConfig = 1 << 20

var (
	// ErrNotFound says that there is no template of the name, wherever was
	// looked.
	ErrNotFound = errors.New("template not found")
	// ErrExists says that a template of the name is there and is protected.
	ErrExists = errors.New("template exists")
)

// A Template is one that is at hand: installed, linked or embedded. It is safe
// for concurrent use.
type Template struct {
	Name   string          // as a function's lang has it: "python3-http", "golang-http@0.9.0"
	Config schema.Template // its template.yml

	// FS is the template's folder, read-only. No link in it leads out of it:
	// opening one that would is an error. It implements fs.ReadLinkFS.
	FS fs.FS

	// Embedded says that it comes with the program.
	Embedded bool

	// Trusted says that its local block may be used: it is embedded, or the
	// user has trusted this very content with `faas-cli template trust`. It is
	// false where there is no local block.
	Trusted bool

	// Dir is the folder on disk, for messages; empty for an embedded one.
	Dir string
}

// HandlerFolder is where the handler goes in the build context, and where the
// starter handler is in the template: slash-separated, relative, inside.
func (t Template) HandlerFolder() string {
	if t.Config.HandlerFolder == "" {
		return defaultHandler
	}
	return path.Clean(filepath.ToSlash(t.Config.HandlerFolder))
}

// Digest is the digest of the template's content: names, executable bits,
// links and bytes of all files but meta.json. It reads all of them each time.
func (t Template) Digest() (string, error) {
	d, err := Digest(t.FS)
	if err != nil {
		return "", fmt.Errorf("digest of template %s: %w", t.Name, err)
	}
	return d, nil
}

// A Folder is the template folder of a project. Close it when its templates
// are no longer used. It is safe for concurrent use.
type Folder struct {
	project *os.Root
	trust   *Trust // nil: none

	mu     sync.Mutex
	opened []*os.Root
}

// OpenFolder returns the template folder of the project; it need not exist.
// The caller closes it, and project after it.
func OpenFolder(project *os.Root) *Folder {
	return &Folder{project: project}
}

// WithTrust makes the folder's templates know what the user trusts. It returns
// f.
func (f *Folder) WithTrust(t *Trust) *Folder {
	f.trust = t
	return f
}

// Close releases the folders of all templates that were opened; their FS is
// of no use afterwards.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, r := range f.opened {
		errs = append(errs, r.Close())
	}
	f.opened = nil
	return errors.Join(errs...)
}

// Open opens an installed template. It fails with ErrInvalidName, ErrNotFound,
// or a *ConfigError where template.yml cannot be used.
func (f *Folder) Open(name string) (Template, error) {
	n, err := ParseName(name)
	if err != nil {
		return Template{}, err
	}
	dir := path.Join(Dir, n.String())
	root, err := f.project.OpenRoot(filepath.FromSlash(dir))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Template{}, &NotFoundError{Name: name, Where: "in ./" + Dir}
		}
		return Template{}, fmt.Errorf("open template %q: %w", name, err)
	}
	return f.adopt(n.String(), "./"+dir, root)
}

// adopt makes a template of its opened folder, which f closes from here on.
func (f *Folder) adopt(name, dir string, root *os.Root) (Template, error) {
	t, err := OpenDir(name, root, f.trust)
	if err != nil {
		_ = root.Close()
		return Template{}, err
	}
	t.Dir = dir
	f.mu.Lock()
	f.opened = append(f.opened, root)
	f.mu.Unlock()
	return t, nil
}

// templatePath is the path of a template in the project. The name is valid.
func templatePath(name string) string {
	return filepath.Join(Dir, filepath.FromSlash(name))
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// OpenDir makes a template of an opened folder, which stays the caller's.
// trust may be nil.
func OpenDir(name string, root *os.Root, trust *Trust) (Template, error) {
	t, err := openFS(name, root.FS())
	if err == nil {
		t.Dir = root.Name()
		t.Trusted, err = trust.allows(t)
	}
	return t, err
}

// Has says whether a folder of that name is there, valid template or not.
func (f *Folder) Has(name string) (bool, error) {
	n, err := ParseName(name)
	if err != nil {
		return false, err
	}
	info, err := f.project.Stat(templatePath(n.String()))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for template %q: %w", name, err)
	}
	return info.IsDir(), nil
}

// Names lists the installed templates, sorted: all folders that have a
// template.yml, those of refs with slashes too. It fails with fs.ErrNotExist
// where there is no template folder.
func (f *Folder) Names() ([]string, error) {
	root, err := f.project.OpenRoot(Dir)
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	defer root.Close()
	var names []string
	var list func(dir string) error
	list = func(dir string) error {
		entries, err := fs.ReadDir(root.FS(), dir)
		if err != nil {
			return fmt.Errorf("list templates: %w", err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if _, err := ParseName(name); err != nil || !e.IsDir() {
				continue
			}
			switch info, err := root.Stat(filepath.Join(filepath.FromSlash(name), ConfigFile)); {
			case err == nil && info.Mode().IsRegular():
				names = append(names, name)
			case strings.Contains(name, "@"): // the rest of its ref is further down
				if err := list(name); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := list("."); err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// A ConfigError is a template.yml that is missing or cannot be used.
type ConfigError struct {
	Template string
	Err      error // fs.ErrNotExist where there is none
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("template %q: %s: %s", e.Template, ConfigFile, e.Err)
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// openFS makes a Template of a file system that holds nothing else.
func openFS(name string, fsys fs.FS) (Template, error) {
	cfg, err := readConfig(fsys)
	if err != nil {
		return Template{}, &ConfigError{Template: name, Err: plainPath(err)}
	}
	return Template{Name: name, Config: cfg, FS: fsys}, nil
}

func readConfig(fsys fs.FS) (schema.Template, error) {
	data, err := readBounded(fsys, ConfigFile, maxConfig)
	if err != nil {
		return schema.Template{}, err
	}
	var cfg schema.Template
	if err := yaml.Unmarshal(data, &cfg); err != nil {
		return schema.Template{}, err
	}
	if h := cfg.HandlerFolder; h != "" && !filepath.IsLocal(filepath.FromSlash(h)) {
		return schema.Template{}, fmt.Errorf("handler_folder %q leaves the template", h)
	}
	return cfg, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), limit)
	}
	return fs.ReadFile(fsys, name)
}
