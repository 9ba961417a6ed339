package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// The templates that come with the program. A template's files lie in the
// folder of its name; those whose name ends in .embed lose that ending, so
// that go.mod and Go sources of a template are neither a module nor a package
// of ours. A file that begins with "#!" is executable.
//
//go:embed all:embedded
var embeddedFiles embed.FS

// embedSuffix hides files of templates from the go command.
const embedSuffix = ".embed"

// Embedded returns the names of the embedded templates, sorted.
func Embedded() []string {
	entries, err := embeddedFiles.ReadDir("embedded")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// OpenEmbedded opens an embedded template; ErrNotFound if there is none of the
// name.
func OpenEmbedded(name string) (Template, error) {
	if !slices.Contains(Embedded(), name) {
		return Template{}, &NotFoundError{Name: name, Where: "among those embedded in faas-cli"}
	}
	t, err := openFS(name, embedFS{path.Join("embedded", name)})
	if err != nil {
		return Template{}, err
	}
	t.Embedded, t.Trusted = true, t.Config.Local != nil
	return t, nil
}

// A NotFoundError says where a template was looked for and not found. It is
// ErrNotFound.
type NotFoundError struct {
	Name  string
	Where string   // "in ./template", "in the store"
	Has   []string // what is there instead, if known
	Near  string   // what was probably meant, if anything is close
}

func (e *NotFoundError) Error() string {
	msg := "template \"" + e.Name + "\" not found " + e.Where
	if len(e.Has) > 0 {
		msg += ", which has: " + strings.Join(e.Has, ", ")
	}
	if e.Near != "" {
		msg += fmt.Sprintf(", did you mean %q?", e.Near)
	}
	return msg
}

// Is makes it ErrNotFound.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// isEmbeddedDigest says whether an embedded template has that content: a copy
// of one is as trusted as the original.
func isEmbeddedDigest(digest string) bool {
	for _, name := range Embedded() {
		if d, err := Digest(embedFS{path.Join("embedded", name)}); err == nil && d == digest {
			return true
		}
	}
	return false
}

// embedFS is one embedded template under the names and modes that its files
// have outside of the program.
type embedFS struct{ dir string }

var (
	_ fs.ReadDirFS  = embedFS{}
	_ fs.ReadLinkFS = embedFS{}
)

// Open opens a file or folder.
func (f embedFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) || strings.HasSuffix(name, embedSuffix) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	inner := path.Join(f.dir, name)
	file, err := embeddedFiles.Open(inner)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = embeddedFiles.Open(inner + embedSuffix)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, err := f.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &embedDir{info: embedInfo{name: path.Base(name), mode: fs.ModeDir | 0o755}, entries: entries}, nil
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	return &embedFile{info: embedInfoOf(path.Base(name), content), Reader: bytes.NewReader(content)}, nil
}

// ReadDir lists a folder, sorted.
func (f embedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	inner, err := embeddedFiles.ReadDir(path.Join(f.dir, name))
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var entries []fs.DirEntry
	for _, e := range inner {
		info := embedInfo{name: e.Name(), mode: fs.ModeDir | 0o755}
		if !e.IsDir() {
			content, err := embeddedFiles.ReadFile(path.Join(f.dir, name, e.Name()))
			if err != nil {
				return nil, err
			}
			info = embedInfoOf(strings.TrimSuffix(e.Name(), embedSuffix), content)
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// ReadLink fails: there are no links among embedded files.
func (f embedFS) ReadLink(name string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
}

// Lstat is Stat, for want of links.
func (f embedFS) Lstat(name string) (fs.FileInfo, error) { return fs.Stat(f, name) }

// embedInfo describes an embedded file. Its time is the zero time.
type embedInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func embedInfoOf(name string, content []byte) embedInfo {
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(content, []byte("#!")) {
		mode = 0o755
	}
	return embedInfo{name: name, size: int64(len(content)), mode: mode}
}

// The methods of fs.FileInfo.
func (i embedInfo) Name() string       { return i.name }
func (i embedInfo) Size() int64        { return i.size }
func (i embedInfo) Mode() fs.FileMode  { return i.mode }
func (i embedInfo) ModTime() time.Time { return time.Time{} }
func (i embedInfo) IsDir() bool        { return i.mode.IsDir() }
func (i embedInfo) Sys() any           { return nil }

// embedFile is an open embedded file.
type embedFile struct {
	*bytes.Reader
	info embedInfo
}

// Stat describes the file; Close does nothing.
func (f *embedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *embedFile) Close() error               { return nil }

// embedDir is an open embedded folder.
type embedDir struct {
	info    embedInfo
	entries []fs.DirEntry
}

// The methods of fs.ReadDirFile.
func (d *embedDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *embedDir) Close() error               { return nil }
func (d *embedDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: errors.New("is a directory")}
}

// ReadDir returns the next n entries, or all that are left.
func (d *embedDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	next := d.entries[:n]
	d.entries = d.entries[n:]
	return next, nil
}
