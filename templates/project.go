package templates

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

// A Project is the templates of one project: the folder they are in, the lock
// that pins them, and the places that missing ones come from. It is not safe
// for concurrent use; its methods use several goroutines themselves.
type Project struct {
	Dir     string  // the project's folder, absolute
	Folder  *Folder // opened over Dir
	Lock    *Lock
	Fetcher *Fetcher
	Trust   *Trust // nil: none

	// Declared are the templates that the stack file names, with their
	// sources.
	Declared []schema.TemplateSource
	// Stores are asked for templates that nothing else names.
	Stores Stores
	// EmbeddedOnly leaves the stores alone: what is not at hand and not named
	// by the stack file or the lock is embedded, or not found.
	EmbeddedOnly bool
	// Locked makes it an error if the lock would have to change.
	Locked bool

	Now func() time.Time
	// Say is told what happens, a line at a time; nil: nobody.
	Say func(format string, args ...any)
	// Warn is told what the user should know; nil: nobody.
	Warn func(format string, args ...any)

	stats statTable
}

func (p *Project) say(format string, args ...any) {
	if p.Say != nil {
		p.Say(format, args...)
	}
}

func (p *Project) warn(format string, args ...any) {
	if p.Warn != nil {
		p.Warn(format, args...)
	}
}

// Open opens a template that is at hand: linked, installed or embedded. It
// asks nobody. It fails as Folder.Open does.
func (p *Project) Open(name string) (Template, error) {
	if _, err := ParseName(name); err != nil {
		return Template{}, err
	}
	if e, ok := p.Lock.Entry(name); ok && e.Link {
		return p.openLink(name, e)
	}
	t, err := p.Folder.Open(name)
	if errors.Is(err, ErrNotFound) {
		if embedded, embeddedErr := OpenEmbedded(name); embeddedErr == nil {
			return embedded, nil
		}
	}
	return t, err
}

// linkDigest stands for a folder among what the user trusts.
func linkDigest(dir string) string { return digestPrefix + hashKey("link", filepath.Clean(dir)) }

// A LinkError is a linked folder outside of the project that this user never
// linked: the lock file of somebody else names it.
type LinkError struct {
	Template string
	Dir      string
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("template %q is linked to %s, outside of the project, which you have not linked yourself", e.Template, e.Dir)
}

func (p *Project) openLink(name string, e LockEntry) (Template, error) {
	dir := p.abs(e.Source)
	if rel, err := filepath.Rel(p.Dir, dir); err != nil || !filepath.IsLocal(rel) {
		trusted, err := p.Trust.Has(linkDigest(dir))
		if err != nil {
			return Template{}, err
		}
		if !trusted {
			return Template{}, &LinkError{Template: name, Dir: dir}
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Template{}, &NotFoundError{Name: name, Where: "in " + dir + ", which it is linked to"}
		}
		return Template{}, fmt.Errorf("open template %q: %w", name, err)
	}
	t, err := p.Folder.adopt(name, dir, root)
	if err != nil {
		return Template{}, err
	}
	return t, nil
}

// Link makes the folder dir the template of the name, used in place. It is
// recorded in the lock, and for a folder outside of the project also among
// what the user trusts.
func (p *Project) Link(ctx context.Context, name, dir string) error {
	if _, err := ParseName(name); err != nil {
		return err
	}
	abs := p.abs(dir)
	rel, err := filepath.Rel(p.Dir, abs)
	inside := err == nil && filepath.IsLocal(rel)
	if err := p.Trust.Add(TrustRecord{Template: name, Source: abs, Digest: linkDigest(abs), Since: p.Now().UTC()}); err != nil && !inside {
		return err
	}
	recorded := abs
	if err == nil {
		recorded = filepath.ToSlash(rel)
	}
	return p.exclusively(ctx, func() error {
		p.Lock.Set(name, LockEntry{Source: recorded, Link: true, Time: p.Now()})
		return p.Lock.Save()
	})
}

// exclusively runs change with the lock file fresh and no other process at it.
func (p *Project) exclusively(ctx context.Context, change func() error) error {
	done, err := p.Fetcher.Cache.exclusive(ctx, p.Dir)
	if err != nil {
		return err
	}
	defer done()
	if err := p.Lock.reload(); err != nil {
		return err
	}
	if err := p.Folder.sweep(); err != nil {
		return fmt.Errorf("tidy up the template folder: %w", err)
	}
	return change()
}

// abs makes a path of the project absolute.
func (p *Project) abs(dir string) string {
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(p.Dir, filepath.FromSlash(dir))
}

// source reads the source that a lock entry names.
func (p *Project) source(e LockEntry) (Source, error) {
	s := e.Source
	if e.Ref != "" {
		s += "#" + e.Ref
	}
	return ParseSource(s, p.Dir)
}
