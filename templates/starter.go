package templates

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// Starter is the starter handler: the template's handler folder.
func (t Template) Starter() (fs.FS, error) {
	dir := t.HandlerFolder()
	info, err := fs.Stat(t.FS, dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err != nil {
		return nil, fmt.Errorf("template %q: starter handler %q: %w", t.Name, dir, plainPath(err))
	}
	return fs.Sub(t.FS, dir)
}

// plainPath takes the repeated path out of a file error.
func plainPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// handlerMode is the mode of a new handler folder, as the original has it: the
// user's own.
const handlerMode = 0o700

// CopyTo writes a tree as the new folder dir below root: files with their
// modes less the umask, links that stay inside as links. On failure nothing is left.
func CopyTo(root *os.Root, dir string, tree fs.FS) (err error) {
	native := filepath.FromSlash(dir)
	if err := root.Mkdir(native, handlerMode); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.RemoveAll(native))
		}
	}()
	to, err := root.OpenRoot(native)
	if err != nil {
		return err
	}
	defer to.Close()
	links := map[string]string{}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		return copyOne(to, tree, name, d, links)
	})
	if err != nil {
		return err
	}
	if err := checkLinks(dir, links); err != nil {
		return err
	}
	for name, target := range links {
		if err := to.Symlink(target, filepath.FromSlash(name)); err != nil {
			return err
		}
	}
	return nil
}

func copyOne(to *os.Root, tree fs.FS, name string, d fs.DirEntry, links map[string]string) error {
	native := filepath.FromSlash(name)
	switch {
	case d.IsDir():
		info, err := d.Info()
		if err != nil {
			return err
		}
		return to.Mkdir(native, info.Mode().Perm()|0o700) // so that it can be filled
	case d.Type()&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(tree, name)
		links[name] = target
		return err
	case !d.Type().IsRegular():
		return fmt.Errorf("%q is neither file, folder nor link", name)
	}
	in, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := to.OpenFile(native, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Declared reads configuration.templates of a stack file's text and nothing
// else of it: neither variables nor provider nor version are looked at, as
// template pull stack always did.
func Declared(path string, text []byte) ([]schema.TemplateSource, error) {
	var doc struct {
		Configuration struct {
			Templates []schema.TemplateSource `yaml:"templates"`
		} `yaml:"configuration"`
	}
	err := yaml.NewDecoder(strings.NewReader(string(text))).Decode(&doc)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read stack file %q: %w", path, err)
	}
	return doc.Configuration.Templates, nil
}
