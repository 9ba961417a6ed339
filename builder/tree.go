package builder

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// layer is one of the sources that a context is laid over from.
type layer struct {
	what string     // for messages: "handler ./hello", "template go", "extra path common"
	show string     // path of its top as the user writes it, for compilers' messages; may be empty
	disk *disk      // its top, where it is a folder of this machine; nil: see fsys
	fsys fs.FS      // with fs.ReadLinkFS; cannot be left through links
	dir  string     // its top within fsys
	kept *keptFiles // contents, where the layer goes into many contexts
}

// sourceFolder is the folder of a layer on disk that was entered last. Files
// that come one after the other out of the same folder are reached by name.
type sourceFolder struct {
	folder
	from *layer // nil: none was entered
	dir  string
}

// enter makes it the folder of n.
func (s *sourceFolder) enter(n *node) error {
	if s.from == n.from && s.dir == n.dir {
		return nil
	}
	s.close()
	f, err := n.from.disk.sub(cmp.Or(n.dir, "."))
	if err != nil {
		return n.failed("open", err)
	}
	s.folder, s.from, s.dir = f, n.from, n.dir
	return nil
}

func (s *sourceFolder) close() {
	if s.from != nil {
		s.folder.close()
		s.from = nil
	}
}

// node is a file, folder or link of a tree. Nodes do not change once a tree is
// complete.
type node struct {
	name string
	kind fs.FileMode // fs.ModeDir, fs.ModeSymlink or 0 for a regular file
	mode fs.FileMode // of a folder on disk when it was entered; 0: not known
	from *layer      // nil: a folder that no source has, such as parents of the handler folder
	dir  string      // folder within the layer, and the
	base string      // name there: mostly name; "." for the top of a layer
	link string      // target of a link

	children []*node // of a folder; sorted by name once the tree is complete
	sorted   bool
}

func newDir(name string) *node { return &node{name: name, kind: fs.ModeDir} }

func (n *node) isDir() bool { return n.kind == fs.ModeDir }

// child returns the entry called name, or nil.
func (n *node) child(name string) *node {
	if i := n.find(name); i >= 0 {
		return n.children[i]
	}
	return nil
}

// find returns the index of the entry called name, or -1.
func (n *node) find(name string) int {
	if !n.sorted {
		return slices.IndexFunc(n.children, func(c *node) bool { return c.name == name })
	}
	if i, ok := slices.BinarySearchFunc(n.children, name, func(c *node, name string) int { return cmp.Compare(c.name, name) }); ok {
		return i
	}
	return -1
}

// put adds an entry, in the place of one of its name.
func (n *node) put(c *node) {
	if i := n.find(c.name); i >= 0 {
		n.children[i] = c
		return
	}
	n.add(c)
}

// add adds an entry of a name that is not there yet.
func (n *node) add(c *node) {
	n.children = append(n.children, c)
	n.sorted = false
}

// seal sorts the entries of all folders, so that the order of a tree is the
// order of its names. It changes only folders that are not sorted.
func (n *node) seal() {
	for _, c := range n.children {
		if c.isDir() {
			c.seal()
		}
	}
	n.sort()
}

// cloneDirs copies a tree so that it can be added to; files and links, which
// do not change, are shared.
func (n *node) cloneDirs() *node {
	clone := *n
	clone.children = slices.Clone(n.children)
	for i, c := range clone.children {
		if c.isDir() {
			clone.children[i] = c.cloneDirs()
		}
	}
	return &clone
}

// sort sorts the entries of one folder.
func (n *node) sort() {
	if !n.sorted {
		slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
		n.sorted = true
	}
}

// below returns a tree in which the entries of top are at the path dir.
func below(dir string, top *node) *node {
	n := *top
	n.from = nil
	for dir != "." {
		n.name = path.Base(dir)
		parent := newDir(".")
		child := n
		parent.add(&child)
		parent.sort()
		n, dir = *parent, path.Dir(dir)
	}
	return &n
}

// lookup finds a slash separated path below n; "." is n itself. Links are not
// followed.
func (n *node) lookup(name string) *node {
	if name == "." {
		return n
	}
	for elem := range strings.SplitSeq(name, "/") {
		if n = n.child(elem); n == nil {
			return nil
		}
	}
	return n
}

// mkdirAll returns the folder at the path name, making what is missing.
func (n *node) mkdirAll(name string) (*node, error) {
	if name == "." {
		return n, nil
	}
	for elem := range strings.SplitSeq(name, "/") {
		next := n.child(elem)
		if next == nil {
			next = newDir(elem)
			n.add(next)
		}
		if !next.isDir() {
			return nil, fmt.Errorf("%s in %s is no folder, but files are to go below it", next.where(), next.origin())
		}
		n = next
	}
	return n, nil
}

// walk visits the entries below n in the order of their names, folders before
// what is in them.
func (n *node) walk(visit func(name string, n *node) error) error {
	return n.walkFrom("", visit)
}

func (n *node) walkFrom(prefix string, visit func(name string, n *node) error) error {
	for _, c := range n.children {
		name := prefix + c.name
		if err := visit(name, c); err != nil {
			return err
		}
		if c.isDir() {
			if err := c.walkFrom(name+"/", visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// path is the place of n within its layer.
func (n *node) path() string {
	if n.dir == "" {
		return n.base
	}
	return n.dir + "/" + n.base
}

// where says where n comes from, for errors: the path as the user knows it.
func (n *node) where() string {
	if n.from == nil {
		return n.name
	}
	if n.from.show != "" {
		return path.Join(n.from.show, n.path())
	}
	return n.path() + " of " + n.from.what
}

// open opens a regular file.
func (n *node) open() (fs.File, error) {
	f, err := n.from.openFile(n.path())
	if err != nil {
		return nil, n.failed("open", err)
	}
	return f, nil
}

// openFile opens the file at the path name below the top.
func (l *layer) openFile(name string) (fs.File, error) {
	if l.disk == nil {
		return l.fsys.Open(path.Join(l.dir, name))
	}
	root, _, err := l.disk.open()
	if err != nil {
		return nil, err
	}
	return root.Open(name)
}

// look describes the entry at the path name below the top. Only the top itself
// may be a link: an extra path.
func (l *layer) look(name string) (fs.FileInfo, error) {
	if l.disk == nil {
		if name == "." {
			return fs.Stat(l.fsys, l.dir)
		}
		return fs.Lstat(l.fsys, path.Join(l.dir, name))
	}
	root, _, err := l.disk.open()
	if err != nil {
		return nil, err
	}
	return root.Lstat(name)
}

// info describes the entry itself; a link is not followed.
func (n *node) info() (fs.FileInfo, error) {
	if n.from == nil {
		return madeInfo{n.name}, nil
	}
	info, err := n.from.look(n.path())
	if err != nil {
		return nil, n.failed("read", err)
	}
	if info.Mode().Type() != n.kind {
		return nil, &ChangedError{Path: n.where()}
	}
	return namedInfo{info, n.name}, nil
}

// failed names the file in the user's terms.
func (n *node) failed(op string, err error) error {
	return fmt.Errorf("%s %q: %w", op, n.where(), cause(err))
}

// cause is err without the names that the standard library puts around it:
// ours are the ones that the user knows.
func cause(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // peels exactly the outermost
		case *fs.PathError:
			err = e.Err
		case *os.LinkError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		default:
			return err
		}
	}
}

// ChangedError says that a file of a context became another one while the
// context was read, so that what was read is neither the old nor the new.
type ChangedError struct{ Path string }

// Error names the file.
func (e *ChangedError) Error() string { return fmt.Sprintf("%q changed while it was read", e.Path) }

// madeInfo describes a folder that no source has.
type madeInfo struct{ name string }

// The methods of fs.FileInfo.
func (i madeInfo) Name() string     { return i.name }
func (madeInfo) Size() int64        { return 0 }
func (madeInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o755 }
func (madeInfo) ModTime() time.Time { return time.Unix(0, 0) }
func (madeInfo) IsDir() bool        { return true }
func (madeInfo) Sys() any           { return nil }

// namedInfo is an info under the name that the entry has in the tree, which is
// another one where the handler is put into its folder.
type namedInfo struct {
	fs.FileInfo
	name string
}

// Name is the name in the tree.
func (i namedInfo) Name() string { return i.name }

// count returns the number of entries below n.
func (n *node) count() int {
	total := len(n.children)
	for _, c := range n.children {
		if c.isDir() {
			total += c.count()
		}
	}
	return total
}
