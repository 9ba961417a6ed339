package templates

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

// pull pulls templates of one repository.
func pull(ctx context.Context, p *Project, src Source, wants []Want, o PullOptions) ([]Pulled, error) {
	return p.Pull(ctx, []Request{{Source: src, Wants: wants}}, o)
}

// newProject is an empty project with a cache of its own.
func newProject(t testing.TB) *Project {
	t.Helper()
	return projectIn(t, t.TempDir(), filepath.Join(t.TempDir(), "cache"))
}

func projectIn(t testing.TB, dir, cache string) *Project {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	trust := OpenTrust(filepath.Join(filepath.Dir(cache), "trust"))
	p := &Project{
		Dir: dir, Folder: OpenFolder(root).WithTrust(trust), Trust: trust,
		Fetcher: &Fetcher{Cache: OpenCache(cache)}, Now: time.Now,
	}
	if p.Lock, err = OpenLock(filepath.Join(dir, LockFile)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Folder.Close(); _ = root.Close() })
	return p
}

// store serves a manifest that names the repository for each template.
func store(t *testing.T, repo string, names ...string) (s *Store, requests *atomic.Int32) {
	t.Helper()
	var entries []string
	for _, n := range names {
		entries = append(entries, fmt.Sprintf(`{"template":%q,"repo":%q,"source":"acme"}`, n, repo))
	}
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		fmt.Fprintf(w, "[%s]", strings.Join(entries, ","))
	}))
	t.Cleanup(server.Close)
	return &Store{URL: server.URL, Client: server.Client(), Timeout: 30 * time.Second}, requests
}

func read(t *testing.T, p *Project, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.Dir, filepath.FromSlash(name)))
	if err != nil {
		return "error: " + err.Error()
	}
	return string(data)
}

func TestPullReplacesAndProtects(t *testing.T) {
	t.Parallel()
	dir, ids := repo(t, map[string]string{"template/aa/template.yml": "fprocess: one\n", "template/aa/gone": "x", "template/bb/template.yml": ""})
	p := newProject(t)
	src := source(t, dir)
	pulled, err := pull(t.Context(), p, src, nil, PullOptions{})
	if err != nil || len(pulled) != 2 || pulled[0].Commit != ids[0] || !pulled[0].Changed {
		t.Fatalf("%+v, %v", pulled, err)
	}
	if again, err := pull(t.Context(), p, src, nil, PullOptions{}); err != nil || again[0].Changed {
		t.Errorf("pulled again: %+v, %v; want nothing written", again, err)
	}

	gitIn(t, dir, "rm", "-q", "template/aa/gone")
	write(t, dir, map[string]string{"template/aa/template.yml": "fprocess: two\n"})
	gitIn(t, dir, "commit", "-q", "-a", "-m", "two")
	pulled, err = pull(t.Context(), p, src, nil, PullOptions{})
	if err != nil || pulled[0].OldCommit != ids[0] {
		t.Errorf("after a new commit: %+v, %v", pulled, err)
	}
	if _, err := os.Stat(filepath.Join(p.Dir, "template/aa/gone")); err == nil {
		t.Error("a file that is gone upstream is still there")
	}

	// What the user changed is only replaced when told so.
	write(t, p.Dir, map[string]string{"template/aa/template.yml": "mine\n"})
	_, err = pull(t.Context(), p, src, nil, PullOptions{})
	var protected *ProtectedError
	if !errors.As(err, &protected) || !slices.Equal(protected.Modified, []string{"aa"}) || read(t, p, "template/aa/template.yml") != "mine\n" {
		t.Errorf("modified: %v, %q", err, read(t, p, "template/aa/template.yml"))
	}
	if _, err := pull(t.Context(), p, src, nil, PullOptions{Protect: true}); !errors.As(err, &protected) || len(protected.Existing) != 2 {
		t.Errorf("protected: %v", err)
	}
	if _, err := pull(t.Context(), p, src, nil, PullOptions{Force: true}); err != nil || read(t, p, "template/aa/template.yml") != "fprocess: two\n" {
		t.Errorf("forced: %v, %q", err, read(t, p, "template/aa/template.yml"))
	}
	// A folder that the lock does not know is overwritten, as ever.
	other := newProject(t)
	write(t, other.Dir, map[string]string{"template/aa/template.yml": "mine\n"})
	if _, err := pull(t.Context(), other, src, nil, PullOptions{}); err != nil || read(t, other, "template/aa/template.yml") != "fprocess: two\n" {
		t.Errorf("without a lock entry: %v", err)
	}
	// Nothing is left of the preparations.
	entries, err := os.ReadDir(filepath.Join(p.Dir, Dir))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestPullFailureLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, _ := repo(t, map[string]string{"template/aa/template.yml": ""})
	p := newProject(t)
	if _, err := pull(t.Context(), p, source(t, dir), []Want{{"zz", "zz"}}, PullOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(p.Dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestLockedCloneGetsTheSameBytes(t *testing.T) {
	t.Parallel()
	dir, ids := repo(t, map[string]string{"template/aa/template.yml": "one\n"}, map[string]string{"template/aa/template.yml": "a: two\n"})
	p := newProject(t)
	if _, err := pull(t.Context(), p, source(t, dir+"#v1"), nil, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := pull(t.Context(), p, source(t, dir), nil, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	lock := read(t, p, LockFile)
	if !strings.Contains(lock, ids[0]) || !strings.Contains(lock, ids[1]) || strings.Index(lock, "aa:") > strings.Index(lock, "aa@v1:") {
		t.Errorf("lock:\n%s", lock)
	}
	write(t, dir, map[string]string{"template/aa/template.yml": "a: three\n"})
	gitIn(t, dir, "commit", "-q", "-a", "-m", "three")
	gitIn(t, dir, "tag", "-f", "v1")

	clone := newProject(t) // with an empty cache
	clone.Locked = true
	write(t, clone.Dir, map[string]string{LockFile: lock})
	clone.Lock, _ = OpenLock(clone.Lock.path)
	if err := clone.Ensure(t.Context(), []string{"aa", "aa@v1", "", "aa"}); err != nil {
		t.Fatal(err)
	}
	if read(t, clone, "template/aa/template.yml") != "a: two\n" || read(t, clone, "template/aa@v1/template.yml") != "one\n" {
		t.Error("other bytes than were pinned")
	}
	if read(t, clone, LockFile) != lock {
		t.Error("the lock changed")
	}
	// Satisfied: no repository is needed any more.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := clone.Ensure(t.Context(), []string{"aa", "aa@v1"}); err != nil {
		t.Errorf("satisfied: %v", err)
	}
	write(t, clone.Dir, map[string]string{"template/own/template.yml": ""})
	if err := clone.Ensure(t.Context(), []string{"own"}); err != nil {
		t.Errorf("a template of the project's own: %v", err)
	}
	var locked *LockedError
	if err := clone.Ensure(t.Context(), []string{"bb"}); !errors.As(err, &locked) {
		t.Errorf("a template that is not pinned: %v", err)
	}
	write(t, clone.Dir, map[string]string{"template/aa/template.yml": "mine\n"})
	if err := clone.Ensure(t.Context(), []string{"aa"}); !errors.As(err, &locked) {
		t.Errorf("a template that was changed: %v", err)
	}
	clone.Locked = false
	if err := clone.Ensure(t.Context(), []string{"aa"}); err != nil {
		t.Errorf("a template that was changed, not locked: %v", err)
	}
}

func TestLockThatDisagrees(t *testing.T) {
	t.Parallel()
	dir, ids := repo(t, map[string]string{"template/aa/template.yml": ""})
	p := newProject(t)
	p.Lock.Set("aa", LockEntry{Source: dir, Commit: ids[0], Digest: digestPrefix + strings.Repeat("0", 64)})
	if err := p.Lock.Save(); err != nil {
		t.Fatal(err)
	}
	var mismatch *MismatchError
	if err := p.Ensure(t.Context(), []string{"aa"}); !errors.As(err, &mismatch) {
		t.Errorf("%v", err)
	}
	if has, _ := p.Folder.Has("aa"); has {
		t.Error("it was installed all the same")
	}
}

func TestDamagedCacheIsFetchedAnew(t *testing.T) {
	t.Parallel()
	dir, _ := repo(t, map[string]string{"template/aa/template.yml": "a: 1\n"})
	p := newProject(t)
	pulled, err := pull(t.Context(), p, source(t, dir), nil, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.Fetcher.Cache.tree(pulled[0].Digest), map[string]string{"template.yml": "evil: 1\n"})
	other := projectIn(t, t.TempDir(), p.Fetcher.Cache.Dir())
	if _, err := pull(t.Context(), other, source(t, dir), nil, PullOptions{}); err != nil || read(t, other, "template/aa/template.yml") != "a: 1\n" {
		t.Errorf("%v, %q", err, read(t, other, "template/aa/template.yml"))
	}
	if damaged, err := p.Fetcher.Cache.Verify(); err != nil || len(damaged) != 0 {
		t.Errorf("%v, %v", damaged, err)
	}
}

func TestWhereATemplateIsLookedFor(t *testing.T) {
	t.Parallel()
	inStore, _ := repo(t, map[string]string{"template/aa/template.yml": "from: store\n", "template/bb/template.yml": "from: store\n"})
	declared, _ := repo(t, map[string]string{"template/bb/template.yml": "from: stack\n"})
	p := newProject(t)
	st, requests := store(t, inStore, "aa", "bb")
	p.Stores = Stores{st}
	p.Declared = []schema.TemplateSource{{Name: "bb", Source: declared}}
	write(t, p.Dir, map[string]string{"template/cc/template.yml": ""})
	if err := p.Ensure(t.Context(), []string{"cc", "bb"}); err != nil || requests.Load() != 0 {
		t.Errorf("%v; the store was asked %d times for nothing", err, requests.Load())
	}
	if read(t, p, "template/bb/template.yml") != "from: stack\n" {
		t.Error("the stack file's source was not used")
	}
	if err := p.Ensure(t.Context(), []string{"aa", "golang-middleware"}); err != nil || requests.Load() != 1 {
		t.Errorf("%v; the store was asked %d times", err, requests.Load())
	}
	tpl, err := p.Open("golang-middleware")
	if e, _ := p.Lock.Entry("golang-middleware"); err != nil || !tpl.Embedded || !tpl.Trusted || !e.isEmbedded() {
		t.Errorf("the embedded template: %+v, %+v, %v", tpl, e, err)
	}
	if err := p.Ensure(t.Context(), []string{"nope"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("nowhere: %v", err)
	}

	quiet := newProject(t)
	quiet.Stores, quiet.EmbeddedOnly = Stores{st}, true
	before := requests.Load()
	if err := quiet.Ensure(t.Context(), []string{"python3-http"}); err != nil || requests.Load() != before {
		t.Errorf("embedded only: %v, store asked %d times", err, requests.Load()-before)
	}
	if err := quiet.Ensure(t.Context(), []string{"aa"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("embedded only: %v", err)
	}
}

func TestUnreachableStoreCostsItsTimeoutOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32 // by us: the time may be over before a server is reached
	hangs := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})}
	p := newProject(t)
	p.Stores = Stores{{URL: "http://store.example", Client: hangs, Timeout: 50 * time.Millisecond}}
	var said []string
	p.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	if err := p.Ensure(t.Context(), []string{"golang-middleware", "python3-http"}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 1 || len(said) != 2 || !strings.Contains(said[0], "embedded") {
		t.Errorf("asked %d times, said %q", asked.Load(), said)
	}
}

func TestStoreAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"404":          {404, "[]", "404"},
		"500":          {500, "[]", "500"},
		"HTML":         {200, "<html>", "not JSON"},
		"wrong schema": {200, `{"functions":[]}`, "not a list"},
		"no repo":      {200, `[{"template":"aa"}]`, "no repo"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		}))
		s := &Store{URL: server.URL, Client: server.Client(), Timeout: 30 * time.Second, Cache: OpenCache(t.TempDir())}
		_, err := s.List(t.Context())
		var se *StoreError
		if !errors.As(err, &se) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		server.Close()
	}
}

func TestStoreManifestIsUsableOffline(t *testing.T) {
	t.Parallel()
	cache := OpenCache(t.TempDir())
	st, requests := store(t, "https://example.com/x", "aa")
	list := func(url string, client *http.Client, offline bool) ([]schema.TemplateStoreEntry, *Store, error) {
		s := &Store{URL: url, Client: client, Timeout: 30 * time.Second, Cache: cache, Offline: offline}
		entries, err := s.List(t.Context())
		return entries, s, err
	}
	if _, _, err := list(st.URL, st.Client, true); err == nil {
		t.Error("offline without a cache worked")
	}
	for range 2 { // the second is answered 304
		if entries, s, err := list(st.URL, st.Client, false); err != nil || len(entries) != 1 || s.Stale() {
			t.Fatalf("%v, %v", entries, err)
		}
	}
	dead := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("no network") })}
	if entries, s, err := list(st.URL, dead, false); err != nil || len(entries) != 1 || !s.Stale() {
		t.Errorf("unreachable: %v, %v", entries, err)
	}
	if entries, _, err := list(st.URL, dead, true); err != nil || len(entries) != 1 || requests.Load() != 2 {
		t.Errorf("offline: %v, %v, %d requests", entries, err, requests.Load())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSeveralProcessesPullTheSame(t *testing.T) {
	t.Parallel()
	dir, _ := repo(t, map[string]string{"template/aa/template.yml": "a: 1\n", "template/bb/template.yml": ""})
	project, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	src := source(t, dir)
	var wg sync.WaitGroup
	for range 4 {
		p := projectIn(t, project, cache) // its own lock in memory, as another process has
		wg.Go(func() {
			if _, err := pull(t.Context(), p, src, nil, PullOptions{Force: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	lock, err := OpenLock(filepath.Join(project, LockFile))
	if err != nil || len(lock.Names()) != 2 {
		t.Errorf("%v, %v", lock.Names(), err)
	}
	entries, err := os.ReadDir(filepath.Join(project, Dir))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestManyRepositoriesAtOnce(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	var names []string
	for i := range 5 {
		name := fmt.Sprintf("t%d", i)
		dir, _ := repo(t, map[string]string{"template/" + name + "/template.yml": ""})
		p.Declared = append(p.Declared, schema.TemplateSource{Name: name, Source: dir})
		names = append(names, name)
	}
	p.Declared = append(p.Declared, schema.TemplateSource{Name: "bad", Source: filepath.Join(p.Dir, "gone")})
	if err := p.Ensure(t.Context(), append([]string{"bad"}, names...)); !errors.Is(err, ErrInvalidSource) {
		t.Errorf("%v", err)
	}
	if installed, err := p.Folder.Names(); err != nil || !slices.Equal(installed, names) {
		t.Errorf("%v, %v; one failure must not stop the others", installed, err)
	}
}

func TestCancelledPullLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, _ := repo(t, map[string]string{"template/aa/template.yml": ""})
	p := newProject(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	cancel(cause)
	if _, err := pull(ctx, p, Source{Repo: "file://" + dir}, nil, PullOptions{}); err == nil {
		t.Error("pulled although it was cancelled")
	}
	if entries, _ := os.ReadDir(p.Dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	outside := t.TempDir()
	write(t, outside, map[string]string{"template.yml": "fprocess: one\n"})
	if err := p.Link(t.Context(), "mine", outside); err != nil {
		t.Fatal(err)
	}
	if tpl, err := p.Find(t.Context(), "mine"); err != nil || tpl.Config.FProcess != "one" {
		t.Errorf("%+v, %v", tpl, err)
	}
	write(t, outside, map[string]string{"template.yml": "fprocess: two\n"})
	if tpl, err := p.Find(t.Context(), "mine"); err != nil || tpl.Config.FProcess != "two" {
		t.Errorf("after a change: %+v, %v", tpl, err)
	}
	// Somebody else's lock must not name folders of mine.
	stranger := projectIn(t, p.Dir, filepath.Join(t.TempDir(), "cache"))
	var link *LinkError
	if _, err := stranger.Find(t.Context(), "mine"); !errors.As(err, &link) {
		t.Errorf("a stranger's link: %v", err)
	}
}

func TestOutdatedAndUpdate(t *testing.T) {
	t.Parallel()
	dir, ids := repo(t, map[string]string{"template/aa/template.yml": "", "template/bb/template.yml": ""})
	p := newProject(t)
	if _, err := pull(t.Context(), p, source(t, dir), nil, PullOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"template/aa/template.yml": "a: 2\n"})
	gitIn(t, dir, "commit", "-q", "-a", "-m", "two")
	newer, err := p.Outdated(t.Context())
	if err != nil || len(newer) != 2 || !newer[0].Outdated || newer[0].Current != ids[0] {
		t.Fatalf("%+v, %v", newer, err)
	}
	pulled, err := p.Update(t.Context(), PullOptions{}, "aa")
	if err != nil || len(pulled) != 1 || pulled[0].OldCommit != ids[0] || read(t, p, "template/aa/template.yml") != "a: 2\n" {
		t.Errorf("%+v, %v", pulled, err)
	}
	if bb, _ := p.Lock.Entry("bb"); bb.Commit != ids[0] {
		t.Error("bb moved although only aa was named")
	}
}
