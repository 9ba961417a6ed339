package templates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/spelling"
	"github.com/faas-cli/faas-cli/schema"
)

// DefaultStoreURL is where the OpenFaaS project publishes its templates.
const DefaultStoreURL = "https://raw.githubusercontent.com/openfaas/store/master/templates.json"

// DefaultRepository is what template pull pulls unless told otherwise.
const DefaultRepository = "https://github.com/openfaas/templates.git"

// maxManifest bounds the manifest of a store, in bytes.
const maxManifest = 16 << 20

// A StoreError is a store that cannot be used.
type StoreError struct {
	URL    string // without password
	Status int    // of the answer; 0: there was none, or it could not be read
	Err    error
}

func (e *StoreError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("template store %s: unexpected status code %d", e.URL, e.Status)
	}
	err := e.Err
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err // without the URL once more
	}
	return fmt.Sprintf("template store %s: %s", e.URL, err)
}

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }

// unreachable says whether the store gave no answer at all.
func (e *StoreError) unreachable() bool {
	var urlErr *url.Error
	return e.Status == 0 && errors.As(e.Err, &urlErr)
}

// A Store is a template store: a manifest behind a URL. It asks at most once,
// keeps the manifest in the cache with its ETag, and answers from there where
// the store cannot be reached. It is safe for concurrent use.
type Store struct {
	URL     string
	Client  *http.Client
	Cache   *Cache        // nil: none
	Timeout time.Duration // of the request
	Offline bool          // use the cache only
	// Note is told that an old manifest is used, and why; nil: nobody.
	Note func(format string, args ...any)

	mu      sync.Mutex
	asked   bool
	entries []schema.TemplateStoreEntry
	err     error
	stale   bool
}

// manifest is a store's manifest in the cache.
type manifest struct {
	URL  string          `json:"url"`
	ETag string          `json:"etag,omitempty"`
	Body json.RawMessage `json:"body"`
}

// List returns the entries, recommended ones first. It fails with a
// *StoreError.
func (s *Store) List(ctx context.Context) ([]schema.TemplateStoreEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked {
		s.entries, s.stale, s.err = s.load(ctx)
		s.asked = true
	}
	return slices.Clone(s.entries), s.err
}

// Lookup finds an entry by its name, or by SOURCE/NAME. It fails with a
// *NotFoundError or a *StoreError.
func (s *Store) Lookup(ctx context.Context, name string) (schema.TemplateStoreEntry, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return schema.TemplateStoreEntry{}, err
	}
	return find(entries, name, s.place())
}

// Stale says whether the answers come from the cache because the store did not
// answer. It is meaningful after List or Lookup.
func (s *Store) Stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stale
}

func (s *Store) place() string { return "in the template store " + Redact(s.URL) }

// find takes the first entry of the name; the order is that of List.
func find(entries []schema.TemplateStoreEntry, name, where string) (schema.TemplateStoreEntry, error) {
	owner, base, owned := strings.Cut(name, "/")
	for _, e := range entries {
		if e.Template == name || owned && e.Source == owner && e.Template == base {
			return e, nil
		}
	}
	return schema.TemplateStoreEntry{}, &NotFoundError{Name: name, Where: where, Near: nearest(entries, name)}
}

// nearest is the name of an entry that is spelled almost like name.
func nearest(entries []schema.TemplateStoreEntry, name string) string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Template
	}
	return spelling.Nearest(name, names)
}

func (s *Store) fail(status int, err error) error {
	return &StoreError{URL: Redact(s.URL), Status: status, Err: err}
}

// load asks the store, or the cache where the store is out of reach.
func (s *Store) load(ctx context.Context) ([]schema.TemplateStoreEntry, bool, error) {
	var known manifest
	if s.Cache != nil {
		s.Cache.load(cacheStores, hashKey(s.URL), &known)
	}
	cached, cachedErr := parseManifest(known.Body)
	if s.Offline {
		if known.Body == nil || cachedErr != nil {
			return nil, false, s.fail(0, errors.New("not in the template cache, and --offline asks nobody"))
		}
		return cached, true, nil
	}
	fresh, err := s.fetch(ctx, known.ETag)
	var failed *StoreError
	switch {
	case err == nil && fresh == nil && cachedErr == nil: // not modified
		return cached, false, nil
	case err == nil && fresh == nil:
		return nil, false, s.fail(0, errors.New("it says that nothing was modified since, but the cache is empty"))
	case err == nil:
		entries, err := parseManifest(fresh.Body)
		if err != nil {
			return nil, false, s.fail(0, err)
		}
		if s.Cache != nil {
			if err := s.Cache.save(cacheStores, hashKey(s.URL), fresh); err != nil {
				s.note("the manifest of %s is not cached: %s", Redact(s.URL), err)
			}
		}
		return entries, false, nil
	case errors.As(err, &failed) && failed.unreachable() && known.Body != nil && cachedErr == nil && ctx.Err() == nil:
		s.note("template store %s cannot be reached, its manifest of last time is used", Redact(s.URL))
		return cached, true, nil
	}
	return nil, false, err
}

func (s *Store) note(format string, args ...any) {
	if s.Note != nil {
		s.Note(format, args...)
	}
}

// fetch gets the manifest; nil says that it is the one with the ETag.
func (s *Store) fetch(ctx context.Context, etag string) (*manifest, error) {
	if !isHTTP(s.URL) {
		return nil, s.fail(0, errors.New("not an http or https URL"))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("no answer within %s", s.Timeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, s.fail(0, err)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			err = &url.Error{Op: "Get", URL: Redact(s.URL), Err: context.Cause(ctx)}
		}
		return nil, s.fail(0, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && etag != "" {
		return nil, nil
	}
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection can be used again
		return nil, s.fail(resp.StatusCode, nil)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return nil, s.fail(0, &url.Error{Op: "Get", URL: Redact(s.URL), Err: err})
	}
	if len(body) > maxManifest {
		return nil, s.fail(0, fmt.Errorf("its manifest has more than %d bytes", maxManifest))
	}
	if !json.Valid(body) {
		return nil, s.fail(0, errors.New("its answer is not JSON"))
	}
	return &manifest{URL: Redact(s.URL), ETag: resp.Header.Get("ETag"), Body: body}, nil
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func parseManifest(body []byte) ([]schema.TemplateStoreEntry, error) {
	var entries []schema.TemplateStoreEntry
	if err := json.Unmarshal(body, &entries); err != nil {
		return nil, fmt.Errorf("its manifest is not a list of templates: %w", err)
	}
	for i, e := range entries {
		if e.Template == "" || e.Repo == "" {
			return nil, fmt.Errorf("its manifest is not a list of templates: entry %d has no template or no repo", i)
		}
	}
	sortEntries(entries)
	return entries, nil
}

// sortEntries orders entries as they are shown: recommended ones first, then official
// ones, then by name without regard to case; entries of one name stay in order.
func sortEntries(entries []schema.TemplateStoreEntry) {
	slices.SortStableFunc(entries, func(a, b schema.TemplateStoreEntry) int {
		if a.Recommended != b.Recommended {
			return boolFirst(a.Recommended)
		}
		if a, b := isOfficial(a), isOfficial(b); a != b {
			return boolFirst(a)
		}
		return strings.Compare(strings.ToLower(a.Template), strings.ToLower(b.Template))
	})
}

func boolFirst(is bool) int {
	if is {
		return -1
	}
	return 1
}

func isOfficial(e schema.TemplateStoreEntry) bool { return e.Official == "true" }

// Stores are several stores; an earlier one wins.
type Stores []*Store

// List returns the entries of all stores, those of an earlier store before
// those of a later one. Stores are asked at once; the errors of those that
// cannot be used are joined, beside the entries of the others.
func (s Stores) List(ctx context.Context) ([]schema.TemplateStoreEntry, error) {
	lists, errs := make([][]schema.TemplateStoreEntry, len(s)), make([]error, len(s))
	var wg sync.WaitGroup
	for i, store := range s {
		wg.Go(func() { lists[i], errs[i] = store.List(ctx) })
	}
	wg.Wait()
	return slices.Concat(lists...), errors.Join(errs...)
}

// stale says whether any of the answers is from the cache because its store
// did not answer.
func (s Stores) stale() bool {
	return slices.ContainsFunc(s, func(store *Store) bool { return store.Stale() })
}

// Lookup finds the first entry of the name, and the store that has it. It
// fails with a *NotFoundError, or with the errors of the stores that could not
// be asked where the others do not have it.
func (s Stores) Lookup(ctx context.Context, name string) (schema.TemplateStoreEntry, *Store, error) {
	entries, listErr := s.List(ctx) // all at once: one that is slow costs only once
	for _, store := range s {
		e, err := store.Lookup(ctx, name)
		if err == nil {
			return e, store, nil
		}
	}
	if listErr != nil {
		return schema.TemplateStoreEntry{}, nil, listErr
	}
	where := "in any template store"
	if len(s) == 1 {
		where = s[0].place()
	}
	return schema.TemplateStoreEntry{}, nil, &NotFoundError{Name: name, Where: where, Near: nearest(entries, name)}
}
