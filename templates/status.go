package templates

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Status describes a template of a project.
type Status struct {
	Name     string `json:"name"`
	Source   string `json:"source,omitempty"` // repository, linked folder or "embedded"; empty: unknown
	Ref      string `json:"ref,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Digest   string `json:"digest,omitempty"` // of what is installed
	Locked   bool   `json:"locked"`           // template.lock pins it
	Missing  bool   `json:"missing"`          // pinned, not installed: the next build installs it
	Modified bool   `json:"modified"`         // its files are not those that were pinned
	Linked   bool   `json:"linked"`           // Source is used in place
	Embedded bool   `json:"embedded"`         // it comes with faas-cli
}

// Version is the shortest text that says which one it is: the ref, or the
// beginning of the commit.
func (s Status) Version() string {
	if s.Ref != "" {
		return s.Ref
	}
	return ShortID(s.Commit)
}

// ShortID is the beginning of a commit id, for people.
func ShortID(commit string) string {
	const digits = 7
	return commit[:min(digits, len(commit))]
}

// List describes the templates that are installed or pinned, sorted by name.
func (p *Project) List() ([]Status, error) {
	names, err := p.Folder.Names()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, n := range p.Lock.Names() {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	defer p.saveStats()
	all := make([]Status, len(names))
	for i, n := range names {
		if all[i], err = p.status(n); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (p *Project) status(name string) (Status, error) {
	s := Status{Name: name}
	installed, err := p.Folder.Has(name)
	if err != nil {
		return s, err
	}
	if installed {
		if s.Digest, err = p.installedDigest(name); err != nil {
			return s, err
		}
		if m, ok := p.Folder.ReadMeta(name); ok {
			s.Source, s.Ref, s.Commit = m.Repository, m.RefName, m.SHA
		}
	}
	e, ok := p.Lock.Entry(name)
	if !ok {
		return s, nil
	}
	s.Locked, s.Linked = true, e.Link
	s.Embedded = e.isEmbedded() && !installed
	s.Source, s.Ref, s.Commit = e.Source, e.Ref, e.Commit
	s.Missing = !installed && !s.Linked && !s.Embedded
	s.Modified = installed && !e.Link && e.Digest != s.Digest
	return s, nil
}

// Forget removes a template from the folder and the lock, whichever has it;
// ErrNotFound if neither has, a *ProtectedError if its files were changed since
// it was pinned and force is not given.
func (p *Project) Forget(ctx context.Context, name string, force bool) error {
	if _, err := ParseName(name); err != nil {
		return err
	}
	return p.exclusively(ctx, func() error {
		has, err := p.Folder.Has(name)
		if err != nil {
			return err
		}
		e, pinned := p.Lock.Entry(name)
		if !has && !pinned {
			return &NotFoundError{Name: name, Where: "in ./" + Dir + " and " + LockFile}
		}
		if has && pinned && !e.Link && !force {
			have, err := p.installedDigest(name)
			if err != nil {
				return err
			}
			if have != e.Digest {
				return &ProtectedError{Modified: []string{name}}
			}
		}
		if has {
			if err := p.Folder.Remove(name); err != nil {
				return err
			}
		}
		p.Lock.Remove(name)
		return p.Lock.Save()
	})
}

// Newer says what a pinned template would become.
type Newer struct {
	Name     string `json:"name"`
	Source   string `json:"source"`
	Ref      string `json:"ref,omitempty"`
	Current  string `json:"current"`
	Latest   string `json:"latest"`
	Outdated bool   `json:"outdated"`
}

// Outdated asks the sources of the pinned templates named (none: all) what
// their refs name now. Linked and embedded ones have no source to ask.
func (p *Project) Outdated(ctx context.Context, names ...string) ([]Newer, error) {
	reqs, err := p.pinnedRequests(names)
	if err != nil {
		return nil, err
	}
	latest, errs := make([]string, len(reqs)), make([]error, len(reqs))
	var g errgroup.Group
	g.SetLimit(fetchLimit)
	for i, r := range reqs {
		g.Go(func() error {
			latest[i], errs[i] = p.Fetcher.Resolve(ctx, r.Source)
			return nil
		})
	}
	_ = g.Wait()
	var all []Newer
	for i, r := range reqs {
		if errs[i] != nil {
			continue
		}
		for _, w := range r.Wants {
			e, _ := p.Lock.Entry(w.Name)
			all = append(all, Newer{Name: w.Name, Source: e.Source, Ref: e.Ref, Current: e.Commit, Latest: latest[i], Outdated: e.Commit != latest[i]})
		}
	}
	slices.SortFunc(all, func(a, b Newer) int { return strings.Compare(a.Name, b.Name) })
	return all, errors.Join(errs...)
}

// Update pulls the pinned templates named (none: all) again and moves the lock.
func (p *Project) Update(ctx context.Context, o PullOptions, names ...string) ([]Pulled, error) {
	reqs, err := p.pinnedRequests(names)
	if err != nil {
		return nil, err
	}
	return p.Pull(ctx, reqs, o)
}

// pinnedRequests groups pinned templates by source.
func (p *Project) pinnedRequests(names []string) ([]Request, error) {
	explicit := len(names) > 0
	if !explicit {
		names = p.Lock.Names()
	}
	var reqs []Request
	for _, name := range names {
		e, ok := p.Lock.Entry(name)
		if !ok {
			return nil, &NotFoundError{Name: name, Where: "in " + LockFile, Has: p.Lock.Names()}
		}
		if e.Link || e.isEmbedded() {
			if explicit {
				p.warn("template %q has no repository: it is %s", name, map[bool]string{true: "linked", false: "embedded in faas-cli"}[e.Link])
			}
			continue
		}
		src, err := p.source(e)
		if err != nil {
			return nil, err
		}
		base, _, _ := strings.Cut(name, "@")
		w := Want{Base: base, Name: name}
		if i := slices.IndexFunc(reqs, func(r Request) bool { return r.Source == src }); i >= 0 {
			reqs[i].Wants = append(reqs[i].Wants, w)
		} else {
			reqs = append(reqs, Request{Source: src, Wants: []Want{w}})
		}
	}
	return reqs, nil
}
