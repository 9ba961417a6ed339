package templates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// A Want is a template of a repository and the name to install it under.
type Want struct {
	Base string // folder in the repository's template/
	Name string // "golang-http@0.9.0"
}

// PullOptions say what may be replaced.
type PullOptions struct {
	Protect bool // nothing that exists is replaced (--overwrite=false)
	Force   bool // what was changed since it was pinned is replaced too
}

// Pulled is what happened to one template.
type Pulled struct {
	Name      string `json:"name"`
	Source    string `json:"source"`
	Ref       string `json:"ref,omitempty"`
	Commit    string `json:"commit"`
	Digest    string `json:"digest"`
	OldCommit string `json:"oldCommit,omitempty"` // that the lock named before, if it moved
	Changed   bool   `json:"changed"`             // files were written
}

// A ProtectedError names templates that were not replaced, because of
// --overwrite=false or because they were changed since they were pinned. It is
// ErrExists.
type ProtectedError struct {
	Existing []string // protected by --overwrite=false
	Modified []string // changed since
}

func (e *ProtectedError) Error() string {
	var parts []string
	if len(e.Existing) > 0 {
		parts = append(parts, "unable to overwrite the following: "+strings.Join(e.Existing, ", "))
	}
	if len(e.Modified) > 0 {
		parts = append(parts, "changed since they were pulled, and not overwritten: "+strings.Join(e.Modified, ", "))
	}
	return "templates " + strings.Join(parts, "; ")
}

// Is makes it ErrExists.
func (e *ProtectedError) Is(target error) bool { return target == ErrExists }

// A LockedError says that the lock would have to change, which --locked
// forbids.
type LockedError struct {
	Template string
	Why      string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("template %q: the lock would change: %s", e.Template, e.Why)
}

// A MismatchError is a template whose content is not what the lock says.
type MismatchError struct {
	Template string
	Source   string
	Commit   string
	Want     string // digest in the lock
	Got      string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("template %q: %s at commit %s has the digest %s, but the lock says %s", e.Template, e.Source, e.Commit, e.Got, e.Want)
}

// pullPinned pulls the commits that the lock names.
func (p *Project) pullPinned(ctx context.Context, src Source, wants []Want, o PullOptions) ([]Pulled, error) {
	matches := func(e LockEntry) bool { return !e.Link && e.Source == src.Place() && e.Ref == src.Ref }
	if wants == nil {
		for _, name := range p.Lock.Names() {
			if e, _ := p.Lock.Entry(name); matches(e) {
				base, _, _ := strings.Cut(name, "@")
				wants = append(wants, Want{Base: base, Name: name})
			}
		}
	}
	if wants == nil {
		if p.Locked {
			return nil, &LockedError{Template: src.String(), Why: "it pins no template of this repository"}
		}
		commit, err := p.Fetcher.Resolve(ctx, src)
		if err != nil {
			return nil, err
		}
		return p.pullCommit(ctx, src, commit, nil, o)
	}
	var all []Pulled
	var errs []error
	for _, w := range wants {
		var commit string
		e, ok := p.Lock.Entry(w.Name)
		switch {
		case ok && matches(e):
			commit = e.Commit
		case p.Locked:
			errs = append(errs, &LockedError{Template: w.Name, Why: "it is not pinned to " + src.String()})
			continue
		default:
			var err error
			if commit, err = p.Fetcher.Resolve(ctx, src); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		pulled, err := p.pullCommit(ctx, src, commit, []Want{w}, o)
		all = append(all, pulled...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// pullCommit fetches and installs the templates of one commit.
func (p *Project) pullCommit(ctx context.Context, src Source, commit string, wants []Want, o PullOptions) ([]Pulled, error) {
	var bases []string
	for _, w := range wants {
		bases = append(bases, w.Base)
	}
	digests, err := p.Fetcher.Fetch(ctx, src, commit, bases)
	if errors.Is(err, ErrNotFound) && len(wants) > 1 { // the others may be there
		var all []Pulled
		var errs []error
		for _, w := range wants {
			pulled, err := p.pullCommit(ctx, src, commit, []Want{w}, o)
			all, errs = append(all, pulled...), append(errs, err)
		}
		return all, errors.Join(errs...)
	}
	if err != nil {
		return nil, err
	}
	if wants == nil {
		for base := range digests {
			wants = append(wants, Want{Base: base, Name: Name{Base: base, Ref: src.Ref}.String()})
		}
		slices.SortFunc(wants, func(a, b Want) int { return strings.Compare(a.Name, b.Name) })
	}
	var pulled []Pulled
	err = p.exclusively(ctx, func() error {
		var err error
		pulled, err = p.installAll(ctx, src, commit, wants, digests, o)
		return errors.Join(err, p.Lock.Save())
	})
	return pulled, err
}

// installAll installs what may be installed, several at once, and pins it.
func (p *Project) installAll(ctx context.Context, src Source, commit string, wants []Want, digests map[string]string, o PullOptions) ([]Pulled, error) {
	pulled, outcomes := make([]Pulled, len(wants)), make([]outcome, len(wants))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // files are written as well as summed up
	for i, w := range wants {
		pulled[i] = Pulled{Name: w.Name, Source: src.Place(), Ref: src.Ref, Commit: commit, Digest: digests[w.Base]}
		g.Go(func() (err error) {
			outcomes[i], err = p.installOne(gctx, src, w, pulled[i], o)
			return err
		})
	}
	err := g.Wait()
	p.saveStats()
	if err != nil {
		return nil, err
	}
	var all []Pulled
	var protected ProtectedError
	for i, done := range pulled {
		switch outcomes[i] {
		case keptExisting:
			protected.Existing = append(protected.Existing, done.Name)
			continue
		case keptModified:
			protected.Modified = append(protected.Modified, done.Name)
			continue
		}
		done.Changed = outcomes[i] == written
		if old, ok := p.Lock.Entry(done.Name); ok && old.Commit != commit {
			done.OldCommit = old.Commit
		}
		p.Lock.Set(done.Name, LockEntry{Source: src.Place(), Ref: src.Ref, Commit: commit, Digest: done.Digest, Time: p.Now()})
		all = append(all, done)
	}
	if len(protected.Existing)+len(protected.Modified) > 0 {
		return all, &protected
	}
	return all, nil
}

// outcome says what became of a template that was to be installed.
type outcome int

const (
	written      outcome = iota
	unchanged            // it is there, with this content
	keptExisting         // PullOptions.Protect keeps whatever is there
	keptModified         // its files were changed since it was pinned
)

// installOne installs what pulled describes, if it may.
func (p *Project) installOne(ctx context.Context, src Source, w Want, pulled Pulled, o PullOptions) (outcome, error) {
	entry, pinned := p.Lock.Entry(w.Name)
	if p.Locked && entry.Digest != pulled.Digest {
		return 0, &MismatchError{Template: w.Name, Source: src.String(), Commit: pulled.Commit, Want: entry.Digest, Got: pulled.Digest}
	}
	have, err := p.installedDigest(w.Name)
	if err != nil {
		return 0, err
	}
	exists := have != ""
	switch {
	case exists && o.Protect:
		return keptExisting, nil
	case exists && pinned && !entry.Link && have != entry.Digest && have != pulled.Digest && !o.Force:
		return keptModified, nil
	}
	meta := Meta{Repository: Redact(src.Repo), RefName: src.Ref, SHA: pulled.Commit, WrittenAt: p.Now()}
	if have == pulled.Digest && p.Folder.sameMeta(w.Name, meta) {
		return unchanged, nil
	}
	return written, p.put(ctx, src, pulled.Commit, w, pulled.Digest, meta)
}

// put installs a content out of the cache; what is damaged there is fetched
// again, once.
func (p *Project) put(ctx context.Context, src Source, commit string, w Want, digest string, meta Meta) error {
	cache := p.Fetcher.Cache
	err := p.Folder.install(ctx, cache, w.Name, digest, meta)
	if !errors.Is(err, errDamaged) {
		return err
	}
	p.warn("template %q is damaged in the cache and fetched again", w.Name)
	if err := cache.drop(digest); err != nil {
		return err
	}
	again, err := p.Fetcher.Fetch(ctx, src, commit, []string{w.Base})
	if err != nil {
		return err
	}
	if got := again[w.Base]; got != digest {
		return &MismatchError{Template: w.Name, Source: src.String(), Commit: commit, Want: digest, Got: got}
	}
	return p.Folder.install(ctx, cache, w.Name, digest, meta)
}

// ReadMeta reads the record of where an installed template came from; false
// where there is none that can be read.
func (f *Folder) ReadMeta(name string) (Meta, bool) {
	var m Meta
	data, err := f.project.ReadFile(filepath.FromSlash(path.Join(Dir, name, MetaFile)))
	if err != nil {
		return m, false
	}
	return m, json.Unmarshal(data, &m) == nil
}

// sameMeta says whether the record says what m says, time aside.
func (f *Folder) sameMeta(name string, m Meta) bool {
	old, ok := f.ReadMeta(name)
	return ok && old.Repository == m.Repository && old.RefName == m.RefName && old.SHA == m.SHA
}

// A Request is one repository of a PullAll.
type Request struct {
	Source Source
	Wants  []Want // nil: all
}

// Pull installs the templates wanted of repositories and pins them in the lock.
// Each source is asked for its commit, unless Locked or Offline: then the
// lock's commits are used. Repositories are fetched at the same time and
// installed in their order. One failure does not stop the others; the errors
// are joined in the order of reqs. What could not be replaced is a
// *ProtectedError; the others are written all the same.
func (p *Project) Pull(ctx context.Context, reqs []Request, o PullOptions) ([]Pulled, error) {
	errs := make([]error, len(reqs))
	commits := make([]string, len(reqs))
	if !p.Locked && !p.Fetcher.Offline {
		var g errgroup.Group
		g.SetLimit(fetchLimit)
		for i, r := range reqs {
			g.Go(func() error {
				var bases []string
				for _, w := range r.Wants {
					bases = append(bases, w.Base)
				}
				if commits[i], errs[i] = p.Fetcher.Resolve(ctx, r.Source); errs[i] == nil {
					_, errs[i] = p.Fetcher.Fetch(ctx, r.Source, commits[i], bases)
				}
				return nil // the others go on
			})
		}
		_ = g.Wait()
	}
	var all []Pulled
	for i, r := range reqs {
		if errs[i] != nil && (commits[i] == "" || !errors.Is(errs[i], ErrNotFound)) {
			continue
		}
		var pulled []Pulled
		if commits[i] == "" {
			pulled, errs[i] = p.pullPinned(ctx, r.Source, r.Wants, o)
		} else {
			pulled, errs[i] = p.pullCommit(ctx, r.Source, commits[i], r.Wants, o)
		}
		all = append(all, pulled...)
	}
	return all, errors.Join(errs...)
}
