package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// stateDir holds credentials that `CI=true faas-cli login` writes. It never
// enters a context.
const stateDir = ".openfaas"

// overlay lays one source over a tree.
type overlay struct {
	from *layer
	// skip says whether an entry stays out: its path in the source, and whether
	// it is a folder. nil skips nothing.
	skip func(name string, dir bool) bool
}

// onto merges the folder at the top of the source into dst: files and links
// replace files and links of the same name, folders are merged. What is no
// file, folder or link is an error, and so is a link that leaves the source.
func (o *overlay) onto(dst *node) error {
	if o.from.root != nil {
		// A root of its own: its finalizer closes it, and each level opens its
		// folders by one name instead of the whole path.
		return o.disk(o.from.root, "", dst)
	}
	return o.generic("", dst)
}

func (o *overlay) disk(dir *os.Root, prefix string, dst *node) error {
	f, err := dir.Open(".")
	if err != nil {
		return o.failed(prefix, err)
	}
	entries, err := f.ReadDir(-1)
	_ = f.Close() // only read
	if err != nil {
		return o.failed(prefix, err)
	}
	for _, e := range entries {
		c, err := o.merge(e, prefix, dst, dir.Readlink)
		if err != nil {
			return err
		}
		if c == nil || !c.isDir() {
			continue
		}
		sub, err := dir.OpenRoot(e.Name())
		if err != nil {
			return o.failed(prefix+e.Name(), err)
		}
		err = o.disk(sub, prefix+e.Name()+"/", c)
		_ = sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *overlay) generic(prefix string, dst *node) error {
	dir := path.Join(o.from.dir, prefix)
	entries, err := fs.ReadDir(o.from.fsys, dir)
	if err != nil {
		return o.failed(prefix, err)
	}
	readlink := func(name string) (string, error) { return fs.ReadLink(o.from.fsys, path.Join(dir, name)) }
	for _, e := range entries {
		c, err := o.merge(e, prefix, dst, readlink)
		if err != nil {
			return err
		}
		if c != nil && c.isDir() {
			if err := o.generic(prefix+e.Name()+"/", c); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge puts one entry into dst and returns its node, or nil for one that is
// left out.
func (o *overlay) merge(e fs.DirEntry, prefix string, dst *node, readlink func(string) (string, error)) (*node, error) {
	name := prefix + e.Name()
	if strings.EqualFold(e.Name(), stateDir) || (o.skip != nil && o.skip(name, e.IsDir())) {
		return nil, nil
	}
	c := &node{name: e.Name(), kind: e.Type(), from: o.from, path: name}
	switch c.kind {
	case 0:
	case fs.ModeDir:
		if there := dst.child(c.name); there != nil && there.isDir() {
			if there.from == nil {
				there.from, there.path = c.from, c.path
			}
			return there, nil
		}
	case fs.ModeSymlink:
		target, err := readlink(e.Name())
		if err != nil {
			return nil, o.failed(name, err)
		}
		if !staysInside(name, target) {
			return nil, &LinkError{Path: c.where(), Target: target, Source: o.from.what}
		}
		c.link = target
	default:
		return nil, fmt.Errorf("%q is no file, folder or link (%s)", c.where(), kindName(c.kind))
	}
	if there := dst.child(c.name); there != nil && there.isDir() != c.isDir() {
		return nil, fmt.Errorf("%q is a %s, but a %s in %s", c.where(), kindName(c.kind), kindName(there.kind), there.origin())
	}
	dst.add(c)
	return c, nil
}

func (n *node) origin() string {
	if n.from == nil {
		return "the build context"
	}
	return n.from.what
}

func (o *overlay) failed(name string, err error) error {
	n := node{name: name, from: o.from, path: strings.TrimSuffix(name, "/")}
	return n.failed("read", err)
}

// LinkError says that a symbolic link leads out of the folder that it is in.
// Following it would put files into an image that nobody meant to publish.
type LinkError struct {
	Path   string
	Target string
	Source string // the handler, template or extra path that the link is part of
}

// Error names the link, its target and the folder.
func (e *LinkError) Error() string {
	return fmt.Sprintf("%q is a link to %q, outside of the %s", e.Path, e.Target, e.Source)
}

// staysInside says whether a link at name (slash separated, relative to the
// top of its source) stays below that top. ".." counts only at the beginning
// of a target: there the folders passed are real ones, so that counting them
// is right, whatever other links there are.
func staysInside(name, target string) bool {
	target = filepath.ToSlash(target)
	if target == "" || path.IsAbs(target) || filepath.VolumeName(target) != "" {
		return false
	}
	depth, named := strings.Count(name, "/"), false
	for elem := range strings.SplitSeq(target, "/") {
		switch elem {
		case "", ".":
		case "..":
			if depth--; named || depth < 0 {
				return false
			}
		default:
			named = true
		}
	}
	return true
}

func kindName(kind fs.FileMode) string {
	switch kind {
	case 0:
		return "file"
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "link"
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

// errNoFolder is what a handler that is a file is refused with.
var errNoFolder = errors.New("not a folder")
