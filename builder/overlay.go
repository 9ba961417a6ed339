package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// stateDir holds credentials that `CI=true faas-cli login` writes. It never
// enters a context.
const stateDir = ".openfaas"

// overlay lays one source over a tree.
type overlay struct {
	from *layer
	// skip says whether an entry of the folder at stays out, and is told whether
	// it is a folder itself. nil skips nothing.
	skip func(at, name string, dir bool) bool
}

// onto merges the folder at the top of the source into dst: files and links
// replace files and links of the same name, folders are merged. What is no
// file, folder or link is an error, and so is a link that leaves the source.
func (o *overlay) onto(dst *node) error {
	if o.from.disk == nil {
		return o.generic("", dst)
	}
	_, top, err := o.from.disk.open()
	if err != nil {
		return o.failed("", err)
	}
	return o.disk(top, "", dst)
}

func (o *overlay) disk(dir folder, at string, dst *node) error {
	entries, err := dir.list()
	if err != nil {
		return o.failed(at, err)
	}
	return o.merge(entries, at, dst, dir.readlink, func(name string, c *node) error {
		sub, err := dir.open(name)
		if err != nil {
			return o.failed(inDir(at, name), err)
		}
		defer sub.close()
		if c.from == o.from { // not another source's that is there already
			if c.mode, err = sub.mode(); err != nil {
				return o.failed(inDir(at, name), err)
			}
		}
		return o.disk(sub, inDir(at, name), c)
	})
}

func (o *overlay) generic(at string, dst *node) error {
	dir := path.Join(o.from.dir, at)
	list, err := fs.ReadDir(o.from.fsys, dir)
	if err != nil {
		return o.failed(at, err)
	}
	entries := entriesOf(list)
	readlink := func(name string) (string, error) { return fs.ReadLink(o.from.fsys, path.Join(dir, name)) }
	return o.merge(entries, at, dst, readlink, func(name string, c *node) error {
		return o.generic(inDir(at, name), c)
	})
}

// entry is what a folder says of one of its entries.
type entry struct {
	name string
	kind fs.FileMode // type bits
}

func entriesOf(list []fs.DirEntry) []entry {
	entries := make([]entry, len(list))
	for i, e := range list {
		entries[i] = entry{e.Name(), e.Type()}
	}
	return entries
}

// inDir is a path below a folder of a source; its top is "".
func inDir(at, name string) string {
	if at == "" {
		return name
	}
	return at + "/" + name
}

// merge puts the entries of one folder, at the path at, into dst, and enters
// those that are folders.
func (o *overlay) merge(entries []entry, at string, dst *node, readlink func(string) (string, error), enter func(string, *node) error) error {
	earlier := newDir("") // what other sources have put there
	earlier.children = slices.Clone(dst.children)
	earlier.sort()
	nodes := make([]node, len(entries))
	for i, e := range entries {
		if strings.EqualFold(e.name, stateDir) || (o.skip != nil && o.skip(at, e.name, e.kind == fs.ModeDir)) {
			continue
		}
		c := &nodes[i]
		*c = node{name: e.name, kind: e.kind, from: o.from, dir: at, base: e.name}
		if err := o.check(c, readlink); err != nil {
			return err
		}
		there := earlier.child(c.name)
		switch {
		case there == nil:
			dst.add(c)
		case there.isDir() != c.isDir():
			return fmt.Errorf("%q is a %s, but a %s in %s", c.where(), kindName(c.kind), kindName(there.kind), there.origin())
		case c.isDir():
			if there.from == nil {
				there.from, there.dir, there.base = c.from, c.dir, c.base
			}
			c = there
		default:
			dst.put(c)
		}
		if c.isDir() {
			if err := enter(e.name, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// check refuses what is no file, folder or link that stays inside, and reads where a link leads.
func (o *overlay) check(c *node, readlink func(string) (string, error)) error {
	switch c.kind {
	case 0, fs.ModeDir:
	case fs.ModeSymlink:
		target, err := readlink(c.base)
		if err != nil {
			return o.failed(c.path(), err)
		}
		if !staysInside(c.path(), target) {
			return &LinkError{Path: c.where(), Target: target, Source: o.from.what}
		}
		c.link = target
	default:
		return fmt.Errorf("%q is no file, folder or link (%s)", c.where(), kindName(c.kind))
	}
	return nil
}

func (n *node) origin() string {
	if n.from == nil {
		return "the build context"
	}
	return n.from.what
}

func (o *overlay) failed(name string, err error) error {
	n := node{name: name, from: o.from, base: name}
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
