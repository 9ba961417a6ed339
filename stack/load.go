package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// maxRemote bounds a stack file that is fetched, in bytes.
const maxRemote = 10 << 20

// LoadOptions says what Load may use. The zero value touches nothing but the
// file.
type LoadOptions struct {
	// Dir is the folder that relative paths start from; empty: the process's
	// working directory.
	Dir string

	// Lookup gives the values of variables; nil: no ${VAR} substitution.
	Lookup func(key string) (string, bool)

	// Fetch reads a URL; nil: URLs are refused. It fails unless the server
	// answers 200. Load closes the reader.
	Fetch func(ctx context.Context, url string) (io.ReadCloser, error)

	// TrustRemote gives the values of Lookup to fetched files as well.
	// Otherwise all their variables count as unset, so that whoever writes
	// the file cannot read the user's environment.
	TrustRemote bool

	// Select chooses functions; the others are not decoded.
	Select Selector

	// Strict makes errors of the warnings: unknown keys, unset variables and
	// values that their reader will not understand.
	Strict bool
}

// File is a stack file, or several merged.
type File struct {
	Paths     []string // the files that it was read from, the base first
	Version   string   // "1.0" or empty
	Gateway   string   // provider.gateway, as written
	Functions []Function
	CopyExtra []string                // configuration.copy
	Templates []schema.TemplateSource // configuration.templates
	Warnings  []Warning               // in file order

	sources   []*source
	origins   map[*yaml.Node]*source // nodes of overlays; all others are of sources[0]
	root      *yaml.Node
	opts      LoadOptions
	functions *yaml.Node
	reported  map[string]bool
}

// Function is a function of a stack file.
type Function struct {
	schema.Function

	Name string // a DNS label
	Pos  Position

	node *yaml.Node
	file *File
}

// Load reads the stack files or URLs at paths and merges them, later ones over
// earlier ones. What cannot be understood is a *SyntaxError, or several of
// them joined, in file order; a selector that nothing fits is ErrNoMatch.
func Load(ctx context.Context, paths []string, o LoadOptions) (*File, error) {
	if len(paths) == 0 {
		return nil, errors.New("no stack file is given")
	}
	matches, err := o.Select.matcher()
	if err != nil {
		return nil, err
	}
	f := &File{Paths: slices.Clone(paths), opts: o}
	for _, path := range paths {
		s, err := f.read(ctx, path)
		if err != nil {
			return nil, err
		}
		f.sources = append(f.sources, s)
	}
	switch err := f.decode(matches); {
	case errors.Is(err, ErrNoMatch):
		return nil, fmt.Errorf("%w %s", err, o.Select)
	case err != nil:
		return nil, err
	}
	return f, nil
}

// read reads and parses one file or URL.
func (f *File) read(ctx context.Context, path string) (*source, error) {
	if !IsURL(path) {
		text, err := os.ReadFile(inDir(f.opts.Dir, path))
		if err != nil {
			return nil, namePath(err, path)
		}
		return parseSource(path, text, f.opts.Lookup)
	}
	if f.opts.Fetch == nil {
		return nil, fmt.Errorf("read %q: a URL cannot be used here", path)
	}
	if strings.HasPrefix(path, "http://") && !isLoopbackURL(path) {
		f.Warnings = append(f.Warnings, Warning{Position: Position{File: path}, Rule: RulePlainHTTP,
			Message: "the stack file is fetched without encryption"})
	}
	body, err := f.opts.Fetch(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("fetch stack file %q: %w", path, err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxRemote+1))
	if err != nil {
		return nil, fmt.Errorf("fetch stack file %q: %w", path, err)
	}
	if len(text) > maxRemote {
		return nil, fmt.Errorf("fetch stack file %q: it is larger than %d MiB", path, maxRemote>>20)
	}
	lookup := f.opts.Lookup
	if lookup != nil && !f.opts.TrustRemote {
		lookup = func(string) (string, bool) { return "", false }
	}
	s, err := parseSource(path, text, lookup)
	if err != nil {
		return nil, err
	}
	s.remote = true
	return s, nil
}

// namePath makes a file system error name the path that the user gave.
func namePath(err error, path string) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("read stack file %q: %w", path, pe.Err)
	}
	return fmt.Errorf("read stack file %q: %w", path, err)
}

func inDir(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// IsURL tells whether a stack file is named by URL. Only http and https count,
// so that C:\stack.yml does not.
func IsURL(path string) bool {
	return hasPrefixFold(path, "http://") || hasPrefixFold(path, "https://")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func isLoopbackURL(url string) bool {
	_, host, _ := strings.Cut(url, "://")
	host, _, _ = strings.Cut(host, "/")
	for _, h := range []string{"127.0.0.1", "localhost", "[::1]"} {
		if host == h || strings.HasPrefix(host, h+":") {
			return true
		}
	}
	return false
}

// Function is the function of that name, if the file has it and it was
// selected.
func (f *File) Function(name string) (*Function, bool) {
	for i := range f.Functions {
		if f.Functions[i].Name == name {
			return &f.Functions[i], true
		}
	}
	return nil, false
}

// source is the file that n comes from.
func (f *File) source(n *yaml.Node) *source {
	if s, ok := f.origins[n]; ok {
		return s
	}
	return f.sources[0]
}

// position is where n stands.
func (f *File) position(n *yaml.Node) Position { return f.source(n).position(n) }

// Position is where the value at path stands in fn: Position("environment",
// "A"). The function's own place where there is no such value.
func (fn *Function) Position(path ...string) Position {
	n := fn.node
	for _, key := range path {
		if n = child(n, key); n == nil {
			return fn.Pos
		}
	}
	if fn.file == nil || n == nil {
		return fn.Pos
	}
	return fn.file.position(n)
}
