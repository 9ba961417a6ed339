package templates

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/schema"
)

// fetchLimit is how many repositories are fetched at the same time: each is a
// connection or two, and mostly waiting.
const fetchLimit = 16

// Find returns the template of the name, which it installs if it is not at
// hand; see Ensure.
func (p *Project) Find(ctx context.Context, name string) (Template, error) {
	if err := p.Ensure(ctx, []string{name}); err != nil {
		return Template{}, err
	}
	return p.Open(name)
}

// Ensure makes sure that the templates named are at hand. Each is looked for
// in the template folder, then in what the lock and the stack file name, then
// in the stores, then among those embedded. What the lock pins is installed as
// it is pinned, and nobody is asked. Missing ones are fetched at the same
// time, each repository once. Empty names and duplicates are ignored.
//
// It fails with a *NotFoundError for each that is nowhere, and with whatever
// went wrong with the others, in the order of names.
func (p *Project) Ensure(ctx context.Context, names []string) error {
	var plans []*plan
	errs := make(map[string]error)
	var order []string
	for _, name := range names {
		if name == "" || slices.Contains(order, name) {
			continue
		}
		order = append(order, name)
		pl, err := p.plan(ctx, name)
		if err != nil {
			errs[name] = err
		} else if pl != nil {
			plans = append(plans, pl)
		}
	}
	p.saveStats()
	p.askStores(ctx, plans, errs)
	p.fetchAll(ctx, plans, errs)
	var all []error
	for _, name := range order {
		all = append(all, errs[name])
	}
	return errors.Join(all...)
}

// A plan is what is to be done for a template that is not at hand.
type plan struct {
	name   Name
	source Source
	base   string     // folder in the repository
	pinned *LockEntry // what the lock says, if it is the lock that is followed
	store  bool       // the stores have to be asked
	done   bool       // nothing is left to fetch
	// fallback says that the source is a guess from an old manifest: the
	// embedded template is used where the source cannot be reached.
	fallback bool
}

// plan decides without asking anybody; nil says that the template is at hand.
func (p *Project) plan(ctx context.Context, name string) (*plan, error) {
	n, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	entry, pinned := p.Lock.Entry(name)
	if pinned && entry.Link {
		return nil, nil // Open says what is wrong with it, if anything is
	}
	has, err := p.Folder.Has(name)
	if err != nil {
		return nil, err
	}
	if has {
		return nil, p.checkInstalled(name, entry, pinned)
	}
	if pinned && entry.isEmbedded() {
		return nil, p.checkEmbedded(ctx, name, entry)
	}
	pl := &plan{name: n, base: n.Base}
	if pinned {
		pl.pinned = &entry
		pl.source, err = p.source(entry)
		return pl, err
	}
	if p.Locked {
		return nil, &LockedError{Template: name, Why: "it is missing and not pinned"}
	}
	for _, d := range p.Declared {
		if d.Name != name {
			continue
		}
		if d.Source == "" {
			break // it says that the stores have it
		}
		pl.source, err = p.declaredSource(n, d.Source)
		return pl, err
	}
	pl.store = true
	return pl, nil
}

// declaredSource reads the source of a template in the stack file. Where only
// the name has a ref, that is the one.
func (p *Project) declaredSource(n Name, source string) (Source, error) {
	src, err := ParseSource(source, p.Dir)
	if err == nil && src.Ref == "" {
		src.Ref = n.Ref
	}
	return src, err
}

// DeclaredSource says where a template of a stack file comes from: its source,
// or the stores. It fails as Stores.Lookup does.
func (p *Project) DeclaredSource(ctx context.Context, d schema.TemplateSource) (Source, Want, error) {
	n, err := ParseName(d.Name)
	if err != nil {
		return Source{}, Want{}, err
	}
	if d.Source == "" {
		return p.StoreSource(ctx, d.Name, nil)
	}
	src, err := p.declaredSource(n, d.Source)
	return src, Want{Base: n.Base, Name: n.String()}, err
}

// StoreSource says where the stores have a template: NAME, NAME@REF,
// SOURCE/NAME or SOURCE/NAME@REF. repository, if not nil, may replace the
// repository that the store names. It fails as Stores.Lookup does.
func (p *Project) StoreSource(ctx context.Context, name string, repository func(string) string) (Source, Want, error) {
	owned, ref, pinned := strings.Cut(name, "@")
	if pinned {
		if err := checkRef(ref); err != nil {
			return Source{}, Want{}, err
		}
	}
	entry, store, err := p.Stores.Lookup(ctx, owned)
	if err != nil {
		return Source{}, Want{}, err
	}
	if err := checkBase(entry.Template); err != nil {
		return Source{}, Want{}, fmt.Errorf("template %q in store %s: %w: %s", entry.Template, Redact(store.URL), ErrInvalidName, err)
	}
	repo := entry.Repo
	if repository != nil {
		repo = repository(repo)
	}
	src, err := ParseSource(repo, p.Dir)
	if err != nil {
		return Source{}, Want{}, fmt.Errorf("template %q in store %s: %w", name, Redact(store.URL), err)
	}
	if ref != "" {
		src.Ref = ref
	}
	return src, Want{Base: entry.Template, Name: Name{Base: entry.Template, Ref: src.Ref}.String()}, nil
}

// checkInstalled compares an installed template with the lock.
func (p *Project) checkInstalled(name string, entry LockEntry, pinned bool) error {
	if !pinned || entry.Digest == "" {
		return nil // the project's own, which using it does not change
	}
	have, err := p.installedDigest(name)
	if err != nil || have == entry.Digest {
		return err
	}
	if p.Locked {
		return &LockedError{Template: name, Why: "its files were changed since it was pinned"}
	}
	p.warn("template %q was changed since it was pinned in %s", name, LockFile)
	return nil
}

// checkEmbedded follows an embedded template that another version of the
// program has changed.
func (p *Project) checkEmbedded(ctx context.Context, name string, entry LockEntry) error {
	t, err := OpenEmbedded(name)
	if err != nil {
		return err
	}
	have, err := t.Digest()
	if err != nil || have == entry.Digest {
		return err
	}
	if p.Locked {
		return &LockedError{Template: name, Why: "this version of faas-cli embeds another content"}
	}
	p.say("Template %s: the embedded one has changed with this version of faas-cli", name)
	return p.pinEmbedded(ctx, name, have)
}

func (p *Project) pinEmbedded(ctx context.Context, name, digest string) error {
	return p.exclusively(ctx, func() error {
		p.Lock.Set(name, LockEntry{Source: embeddedSource, Digest: digest, Time: p.Now()})
		return p.Lock.Save()
	})
}

// askStores completes the plans that need the stores.
func (p *Project) askStores(ctx context.Context, plans []*plan, errs map[string]error) {
	for _, pl := range plans {
		if !pl.store {
			continue
		}
		if err := p.askStore(ctx, pl); err != nil {
			errs[pl.name.String()] = err
			pl.done = true
		}
	}
}

func (p *Project) askStore(ctx context.Context, pl *plan) error {
	name := pl.name.String()
	var storeErr error = &NotFoundError{Name: name, Where: "in ./" + Dir + ", and no template store is asked"}
	if !p.EmbeddedOnly && len(p.Stores) > 0 {
		src, want, err := p.StoreSource(ctx, name, nil)
		if err == nil {
			pl.source, pl.base = src, want.Base
			pl.fallback = p.Stores.stale() && p.isEmbedded(name)
			return nil
		}
		storeErr = err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	pl.done = true
	if !p.isEmbedded(name) {
		if errors.Is(storeErr, ErrNotFound) {
			return storeErr // which names it
		}
		return fmt.Errorf("template %q: %w", name, storeErr)
	}
	return p.useEmbedded(ctx, name, storeErr)
}

func (p *Project) isEmbedded(name string) bool { return slices.Contains(Embedded(), name) }

// useEmbedded pins an embedded template; why says what kept the others from
// being used.
func (p *Project) useEmbedded(ctx context.Context, name string, why error) error {
	t, err := OpenEmbedded(name)
	if err != nil {
		return err
	}
	d, err := t.Digest()
	if err != nil {
		return err
	}
	var notFound *NotFoundError
	if errors.As(why, &notFound) {
		p.say("Template %s: the one embedded in faas-cli is used", name)
	} else {
		p.say("Template %s: the one embedded in faas-cli is used (%s)", name, firstLine(why))
	}
	return p.pinEmbedded(ctx, name, d)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// fetchAll fetches what the plans name, each source once, and installs it.
func (p *Project) fetchAll(ctx context.Context, plans []*plan, errs map[string]error) {
	plans = slices.DeleteFunc(slices.Clone(plans), func(pl *plan) bool { return pl.done || errs[pl.name.String()] != nil })
	fetches := groupPlans(plans)
	var g errgroup.Group
	g.SetLimit(fetchLimit)
	for _, f := range fetches {
		g.Go(func() error {
			f.err = p.runFetch(ctx, f)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the fetches
	for _, f := range fetches {
		for _, pl := range f.plans {
			if err := p.installFetched(ctx, f, pl); err != nil {
				errs[pl.name.String()] = err
			}
		}
	}
}

// fetch is one commit of a source, with the plans that want templates of it.
type fetch struct {
	source  Source
	commit  string // of the lock; empty: to be asked
	plans   []*plan
	digests map[string]string
	err     error
}

// groupPlans gathers the plans that one fetch can serve.
func groupPlans(plans []*plan) []*fetch {
	var fetches []*fetch
	for _, pl := range plans {
		commit := ""
		if pl.pinned != nil {
			commit = pl.pinned.Commit
		}
		i := slices.IndexFunc(fetches, func(f *fetch) bool { return f.source == pl.source && f.commit == commit })
		if i < 0 {
			i = len(fetches)
			fetches = append(fetches, &fetch{source: pl.source, commit: commit})
		}
		fetches[i].plans = append(fetches[i].plans, pl)
	}
	return fetches
}

// runFetch brings the templates that f wants into the cache.
func (p *Project) runFetch(ctx context.Context, f *fetch) (err error) {
	var bases []string
	for _, pl := range f.plans {
		bases = append(bases, pl.base)
		if f.commit == "" {
			p.say("Pulling template: %s from %s", pl.name, pl.source)
		}
	}
	if f.commit == "" {
		if f.commit, err = p.Fetcher.Resolve(ctx, f.source); err != nil {
			return err
		}
	}
	f.digests, err = p.Fetcher.Fetch(ctx, f.source, f.commit, bases)
	return err
}

// installFetched installs the template of one plan, or an embedded one where
// the fetch failed and the plan allows it.
func (p *Project) installFetched(ctx context.Context, f *fetch, pl *plan) error {
	digests, err := f.digests, f.err
	if errors.Is(err, ErrNotFound) && len(f.plans) > 1 { // perhaps not this one
		digests, err = p.Fetcher.Fetch(ctx, f.source, f.commit, []string{pl.base})
	}
	switch {
	case err == nil:
		return p.installPlan(ctx, pl, f.commit, digests)
	case pl.fallback && ctx.Err() == nil:
		return p.useEmbedded(ctx, pl.name.String(), err)
	}
	return err
}

// installPlan installs one fetched template.
func (p *Project) installPlan(ctx context.Context, pl *plan, commit string, digests map[string]string) error {
	digest := digests[pl.base]
	if pl.pinned != nil && pl.pinned.Digest != "" && pl.pinned.Digest != digest {
		return &MismatchError{Template: pl.name.String(), Source: pl.source.String(), Commit: commit, Want: pl.pinned.Digest, Got: digest}
	}
	return p.exclusively(ctx, func() error {
		want := Want{Base: pl.base, Name: pl.name.String()}
		_, err := p.installAll(ctx, pl.source, commit, []Want{want}, digests, PullOptions{Protect: true})
		if errors.Is(err, ErrExists) {
			err = nil // another process was faster
		}
		return errors.Join(err, p.Lock.Save())
	})
}
