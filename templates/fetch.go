package templates

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/git"
)

// DefaultTimeout bounds the fetch of one repository.
const DefaultTimeout = 5 * time.Minute

// A FetchError is a repository that could not be read.
type FetchError struct {
	Source string // without password
	Op     string // "ask", "fetch", "read"
	Err    error
}

func (e *FetchError) Error() string {
	return fmt.Sprintf("%s repository %s: %s", e.Op, e.Source, e.Err)
}

// Unwrap returns the cause: a *git.Error, git.ErrMissing, or the end of the
// context.
func (e *FetchError) Unwrap() error { return e.Err }

// A RefError says that a repository has no such branch, tag or commit.
type RefError struct {
	Source string
	Ref    string
}

func (e *RefError) Error() string {
	if e.Ref == "" {
		return fmt.Sprintf("repository %s has no commit to take", e.Source)
	}
	return fmt.Sprintf("repository %s has no branch, tag or commit %q", e.Source, e.Ref)
}

// OfflineError says what would have needed the network.
type OfflineError struct{ Source string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("repository %s is not in the template cache, and --offline asks nobody", e.Source)
}

// A Fetcher brings templates out of repositories into the cache. It is safe
// for concurrent use.
type Fetcher struct {
	Cache    *Cache
	Offline  bool                             // use the cache only
	Timeout  time.Duration                    // of one repository; 0: DefaultTimeout
	Progress io.Writer                        // what git says while it fetches; nil: nothing
	Warn     func(format string, args ...any) // what was left out, and why; nil: nobody
	Trace    func(args []string)              // is told every git command; nil: nobody
}

func (f *Fetcher) warn(format string, args ...any) {
	if f.Warn != nil {
		f.Warn(format, args...)
	}
}

// limit bounds ctx by the fetcher's time limit.
func (f *Fetcher) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	d := f.Timeout
	if d <= 0 {
		d = DefaultTimeout
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("it took longer than %s", d))
}

// place is where git finds a source, after the user's url.*.insteadOf.
type place struct {
	git   git.Git
	url   string // what git is told
	local bool   // a folder that git can read in place
}

// locate finds out how to reach a source.
func (f *Fetcher) locate(ctx context.Context, src Source) (place, error) {
	g := git.Git{Progress: f.Progress, Trace: f.Trace}
	if src.Local != "" {
		return f.localPlace(g, src.Local), nil
	}
	out, err := g.Output(ctx, "ls-remote", "--get-url", "--", src.Repo)
	if err != nil {
		return place{}, &FetchError{Source: src.String(), Op: "ask", Err: err}
	}
	actual := strings.TrimSuffix(string(out), "\n")
	if filepath.IsAbs(actual) {
		return f.localPlace(g, actual), nil
	}
	g.Protocols = protocols(actual)
	return place{git: g, url: src.Repo}, nil
}

func (f *Fetcher) localPlace(g git.Git, dir string) place {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		g.Dir = dir
		return place{git: g, url: dir, local: true}
	}
	g.Protocols = []string{"file"} // a bundle
	return place{git: g, url: dir}
}

// Resolve asks the repository which commit the source's ref names now; offline
// it answers what it was when last seen. It fails with a *FetchError,
// *RefError or *OfflineError.
func (f *Fetcher) Resolve(ctx context.Context, src Source) (string, error) {
	refsKey := hashKey(src.key())
	var known knownRefs
	f.Cache.load(cacheRefs, refsKey, &known)
	if sha, ok := strings.CutPrefix(src.Ref, shaPrefix); ok && len(sha) == 40 {
		return strings.ToLower(sha), nil
	}
	if f.Offline {
		if commit := known.Refs[src.Ref]; commit != "" {
			return commit, nil
		}
		return "", &OfflineError{Source: src.String()}
	}
	ctx, cancel := f.limit(ctx)
	defer cancel()
	at, err := f.locate(ctx, src)
	if err != nil {
		return "", err
	}
	commit, err := f.ask(ctx, at, src)
	if err != nil {
		return "", err
	}
	if known.Refs[src.Ref] != commit {
		known.Repository = Redact(src.Repo)
		if known.Refs == nil {
			known.Refs = map[string]string{}
		}
		known.Refs[src.Ref] = commit
		if err := f.Cache.save(cacheRefs, refsKey, known); err != nil {
			return "", err
		}
	}
	return commit, nil
}

// ask finds the commit of a ref: a branch before a tag, as git clone does.
func (f *Fetcher) ask(ctx context.Context, at place, src Source) (string, error) {
	if at.local {
		return askLocal(ctx, at, src)
	}
	if sha, ok := strings.CutPrefix(src.Ref, shaPrefix); ok {
		return f.askCommit(ctx, at, src, strings.ToLower(sha))
	}
	args := []string{"ls-remote", "-q", "--", at.url}
	wanted := []string{"HEAD"}
	if src.Ref != "" {
		wanted = []string{"refs/heads/" + src.Ref, "refs/tags/" + src.Ref + "^{}", "refs/tags/" + src.Ref}
	}
	out, err := at.git.Output(ctx, append(args, wanted...)...)
	if err != nil {
		return "", &FetchError{Source: src.String(), Op: "ask", Err: err}
	}
	refs := parseRefs(out)
	for _, w := range wanted {
		if id := refs[w]; id != "" {
			return id, nil
		}
	}
	return "", &RefError{Source: src.Place(), Ref: src.Ref}
}

// parseRefs reads the "ID TAB REF" lines of ls-remote.
func parseRefs(out []byte) map[string]string {
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if id, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && isCommitID(id) {
			refs[ref] = id
		}
	}
	return refs
}

// isCommitID accepts the ids of SHA-1 and SHA-256 repositories.
func isCommitID(id string) bool {
	return (len(id) == 40 || len(id) == 64) && strings.Trim(id, "0123456789abcdef") == ""
}

// askLocal asks a repository on this machine, without a transport.
func askLocal(ctx context.Context, at place, src Source) (string, error) {
	wanted := []string{"HEAD"}
	if sha, ok := strings.CutPrefix(src.Ref, shaPrefix); ok {
		wanted = []string{strings.ToLower(sha)}
	} else if src.Ref != "" {
		wanted = []string{"refs/heads/" + src.Ref, "refs/tags/" + src.Ref}
	}
	var err error
	for _, w := range wanted {
		var out []byte
		out, err = at.git.Output(ctx, "rev-parse", "-q", "--verify", "--end-of-options", w+"^{commit}")
		if err == nil {
			return strings.TrimSpace(string(out)), nil
		}
		if ge := (*git.Error)(nil); !errors.As(err, &ge) || ge.Status != 1 { // 1: no such ref; 128: no repository
			return "", &FetchError{Source: src.String(), Op: "ask", Err: err}
		}
	}
	return "", &RefError{Source: src.Place(), Ref: src.Ref}
}

// askCommit completes an abbreviated commit id: from what the refs name, or
// else from the whole history, without any content.
func (f *Fetcher) askCommit(ctx context.Context, at place, src Source, short string) (string, error) {
	out, err := at.git.Output(ctx, "ls-remote", "-q", "--", at.url)
	if err != nil {
		return "", &FetchError{Source: src.String(), Op: "ask", Err: err}
	}
	if id := tipWithPrefix(parseRefs(out), short); id != "" {
		return id, nil
	}
	repo, err := f.bare(ctx, at)
	if err != nil {
		return "", err
	}
	defer repo.dir.remove()
	if err := repo.fetch(ctx, nil, "--filter=tree:0", "--no-tags", remote, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return "", &FetchError{Source: src.String(), Op: "fetch", Err: err}
	}
	repo.git.Protocols = nil
	out, err = repo.git.Output(ctx, "rev-parse", "-q", "--verify", "--end-of-options", short+"^{commit}")
	if err != nil {
		if ge := (*git.Error)(nil); errors.As(err, &ge) {
			return "", &RefError{Source: src.Place(), Ref: src.Ref}
		}
		return "", &FetchError{Source: src.String(), Op: "read", Err: err}
	}
	return strings.TrimSpace(string(out)), nil
}

// tipWithPrefix returns the commit that begins with short, if exactly one of
// those that the refs name does.
func tipWithPrefix(refs map[string]string, short string) string {
	found := ""
	for ref, id := range refs {
		if refs[ref+"^{}"] != "" {
			continue // the id of a tag, not of its commit
		}
		if strings.HasPrefix(id, short) && id != found {
			if found != "" {
				return ""
			}
			found = id
		}
	}
	return found
}

// remote is what a temporary repository calls the one it fetches from; it must
// have a name for git to fetch parts only.
const remote = "origin"

// bareRepo is a temporary repository to fetch into. It has no work tree:
// nothing is ever checked out, so no filter, attribute or hook can run.
type bareRepo struct {
	git git.Git
	dir *tempDir
}

func (f *Fetcher) bare(ctx context.Context, at place) (*bareRepo, error) {
	dir, err := f.Cache.temp(ctx, "fetch-*")
	if err != nil {
		return nil, err
	}
	r := &bareRepo{git: at.git, dir: dir}
	r.git.Dir = dir.path
	r.git.Config = []string{"remote." + remote + ".url=" + at.url, "fetch.negotiationAlgorithm=noop"}
	if _, err := r.git.Output(ctx, "init", "-q", "--bare", "--template="); err != nil {
		dir.remove()
		return nil, fmt.Errorf("prepare a fetch: %w", err)
	}
	return r, nil
}

func (r *bareRepo) fetch(ctx context.Context, in io.Reader, args ...string) error {
	full := []string{"fetch", "-q", "--no-write-fetch-head", "--no-recurse-submodules"}
	if r.git.Progress != nil {
		full[1] = "--progress"
	}
	return r.git.Run(ctx, in, nil, append(full, args...)...)
}

// Fetch makes sure that the cache holds the named templates (nil: all) of a
// commit, and returns what the commit has. Names that it lacks are a
// *NotFoundError; so is a repository without a template folder. It fails with
// a *FetchError, *OfflineError or *UnsafeError else.
func (f *Fetcher) Fetch(ctx context.Context, src Source, commit string, names []string) (map[string]string, error) {
	key := revisionKey(src, commit)
	var rev revision
	if f.Cache.load(cacheRevisions, key, &rev) {
		if err := lacking(rev, src, names); err != nil {
			return nil, err
		}
		if f.complete(rev, names) {
			return rev.Templates, nil
		}
	}
	if f.Offline {
		return nil, &OfflineError{Source: src.String()}
	}
	ctx, cancel := f.limit(ctx)
	defer cancel()
	fetched, err := f.fetch(ctx, src, commit, names)
	if err != nil {
		return nil, err
	}
	return fetched.Templates, f.record(ctx, key, fetched)
}

// record adds the contents of a revision to those that are known, while
// others may fetch from there too.
func (f *Fetcher) record(ctx context.Context, key string, fetched revision) error {
	held, err := f.Cache.exclusive(ctx, key)
	if err != nil {
		return err
	}
	defer held()
	var known revision
	f.Cache.load(cacheRevisions, key, &known)
	for name, digest := range known.Templates {
		if fetched.Templates[name] == "" {
			fetched.Templates[name] = digest
		}
	}
	return f.Cache.save(cacheRevisions, key, fetched)
}

// complete says whether the content of all the templates named is at hand.
func (f *Fetcher) complete(rev revision, names []string) bool {
	if names == nil {
		names = rev.names()
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !f.Cache.hasTree(rev.Templates[n]) })
}

func lacking(rev revision, src Source, names []string) error {
	var errs []error
	for _, n := range names {
		if _, has := rev.Templates[n]; !has {
			errs = append(errs, &NotFoundError{Name: n, Where: "in repository " + src.String(), Has: rev.names()})
		}
	}
	if len(rev.Templates) == 0 && len(errs) == 0 {
		return &NoTemplatesError{Source: src}
	}
	return errors.Join(errs...)
}

// NoTemplatesError is a repository without templates.
type NoTemplatesError struct{ Source Source }

func (e *NoTemplatesError) Error() string {
	where := Dir
	if e.Source.Path != "" {
		where = e.Source.Path + "/" + Dir
	}
	return fmt.Sprintf("repository %s has no templates: no folder in %s/", e.Source, where)
}

func (f *Fetcher) fetch(ctx context.Context, src Source, commit string, names []string) (revision, error) {
	at, err := f.locate(ctx, src)
	if err != nil {
		return revision{}, err
	}
	reader := at.git
	if !at.local {
		repo, err := f.bare(ctx, at)
		if err != nil {
			return revision{}, err
		}
		defer repo.dir.remove()
		if err := f.fetchCommit(ctx, repo, src, commit, names); err != nil {
			return revision{}, err
		}
		reader = repo.git
		reader.Protocols = nil // from here on nothing but what was fetched
	}
	reader.Progress = nil
	return f.snapshot(ctx, reader, src, commit, names)
}

// smallBlob is the size in bytes up to which files come with the commit. What
// is larger is fetched on its own, if the templates wanted need it: one more
// request only for repositories that carry more than text.
const smallBlob = "64k"

// fetchCommit fetches one commit with the files of the templates named (nil:
// with all): by its id where the server allows that, else with the history.
func (f *Fetcher) fetchCommit(ctx context.Context, repo *bareRepo, src Source, commit string, names []string) error {
	part := []string{"--no-tags"}
	if names != nil {
		part = append(part, "--filter=blob:limit="+smallBlob)
	}
	err := repo.fetch(ctx, nil, append(part, "--depth=1", remote, commit)...)
	if ge := (*git.Error)(nil); err != nil && errors.As(err, &ge) {
		err = repo.fetch(ctx, nil, append(part, remote, "+HEAD:refs/heads/faas-cli", "+refs/heads/*:refs/remotes/x/*", "+refs/tags/*:refs/tags/*")...)
	}
	if err == nil && names != nil {
		err = repo.fetchMissing(ctx, commit, src, names)
	}
	if err != nil {
		return &FetchError{Source: src.String(), Op: "fetch", Err: err}
	}
	return nil
}

// fetchMissing fetches those files of the templates named that the filter left
// out.
func (r *bareRepo) fetchMissing(ctx context.Context, commit string, src Source, names []string) error {
	args := []string{"rev-list", "--objects", "--missing=print", "--max-count=1", commit, "--"}
	for _, n := range names {
		args = append(args, ":(top,literal)"+templatePrefix(src)+n)
	}
	g := r.git
	g.Protocols, g.Progress = nil, nil
	out, err := g.Output(ctx, args...)
	if err != nil {
		return err
	}
	var missing strings.Builder
	for line := range strings.Lines(string(out)) {
		if id, is := strings.CutPrefix(line, "?"); is {
			missing.WriteString(id)
		}
	}
	if missing.Len() == 0 {
		return nil
	}
	return r.fetch(ctx, strings.NewReader(missing.String()), "--no-tags", "--filter=blob:none", "--stdin", remote)
}

// templatePrefix is where a repository has its templates, with a final slash.
func templatePrefix(src Source) string {
	if src.Path == "" {
		return Dir + "/"
	}
	return src.Path + "/" + Dir + "/"
}
