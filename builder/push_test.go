package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	fakeregistry "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/faas-cli/faas-cli/internal/registry"
)

// recorder is a registry in memory that can be made to fail first.
type recorder struct {
	next http.Handler
	// fail answers a request itself and says so.
	fail func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []string
	auth     []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	r.auth = append(r.auth, req.Header.Get("Authorization"))
	r.mu.Unlock()
	if r.fail != nil && r.fail(w, req) {
		return
	}
	r.next.ServeHTTP(w, req)
}

func (r *recorder) count(prefix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, line := range r.requests {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

// newRegistry starts one and returns its host.
func newRegistry(t *testing.T) (*recorder, string) {
	t.Helper()
	r := &recorder{next: fakeregistry.New(fakeregistry.Logger(log.New(io.Discard, "", 0)))}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return r, strings.TrimPrefix(srv.URL, "http://")
}

// storedImage puts an image of some layers into a store under name.
func storedImage(t *testing.T, image string) *registry.Store {
	t.Helper()
	store := registry.Open(t.TempDir())
	img, err := random.Image(4<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.WriteImage(t.Context(), image, img); err != nil {
		t.Fatal(err)
	}
	return store
}

func testPusher() Registry {
	return Registry{Transport: http.DefaultTransport, UserAgent: "faas-cli/test"}
}

func pulled(t *testing.T, image string) v1.Hash {
	t.Helper()
	ref, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	return desc.Digest
}

func TestPushSendsWhatTheRegistryLacks(t *testing.T) {
	t.Parallel()
	reg, host := newRegistry(t)
	image := host + "/me/fn:1"
	store := storedImage(t, image)
	var total atomic.Int64
	d, err := testPusher().PushStored(t.Context(), store, image, []string{"latest"}, func(_, all int64) { total.Store(all) })
	if err != nil {
		t.Fatal(err)
	}
	if pulled(t, image).String() != string(d) || pulled(t, host+"/me/fn:latest").String() != string(d) {
		t.Errorf("the registry does not have %s under both tags", d)
	}
	if total.Load() == 0 {
		t.Error("no progress was told")
	}
	before := reg.count("PATCH")
	if before == 0 {
		t.Fatal("no layer was sent")
	}
	if _, err := testPusher().PushStored(t.Context(), store, image, nil, nil); err != nil {
		t.Fatal(err)
	}
	if after := reg.count("PATCH"); after != before {
		t.Errorf("%d layers were sent again", after-before)
	}
}

func TestPushSendsAllPlatformsOfAnIndex(t *testing.T) {
	t.Parallel()
	_, host := newRegistry(t)
	idx, err := random.Index(1<<10, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	store := registry.Open(t.TempDir())
	h, err := store.WriteIndex(t.Context(), host+"/me/fn:1", idx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testPusher().PushStored(t.Context(), store, host+"/me/fn:1", nil, nil); err != nil {
		t.Fatal(err)
	}
	if got := pulled(t, host+"/me/fn:1"); got != h {
		t.Errorf("the registry has %s; want %s", got, h)
	}
}

func TestPushSurvivesFaultsThatPass(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		hit  func(w http.ResponseWriter)
	}{
		{"429", func(w http.ResponseWriter) { http.Error(w, "slow down", http.StatusTooManyRequests) }},
		{"500", func(w http.ResponseWriter) { http.Error(w, "oops", http.StatusInternalServerError) }},
		{"cut upload", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reg, host := newRegistry(t)
			var hits atomic.Int32
			reg.fail = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPatch || hits.Add(1) > 1 {
					return false
				}
				_, _ = io.CopyN(io.Discard, r.Body, 10)
				c.hit(w)
				return true
			}
			image := host + "/me/fn:1"
			if _, err := testPusher().PushStored(t.Context(), storedImage(t, image), image, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPushNamesARefusalAndHidesCredentials(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			reg, host := newRegistry(t)
			reg.fail = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				w.WriteHeader(status)
				return true
			}
			image := host + "/me/fn:1"
			p := testPusher()
			p.Keychain = keychain{host: authn.FromConfig(authn.AuthConfig{Username: "me", Password: "hunter2"})}
			_, err := p.PushStored(t.Context(), storedImage(t, image), image, nil, nil)
			refused := (*RegistryError)(nil)
			if !errors.As(err, &refused) || !refused.Unauthorized() || refused.Registry != host || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// keychain has credentials by host, and fails the test's expectation for any
// other by having none.
type keychain map[string]authn.Authenticator

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if a, ok := k[r.RegistryStr()]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("asked for credentials of %s", r.RegistryStr())
}

func TestPushAsksForCredentialsOfItsRegistryOnly(t *testing.T) {
	t.Parallel()
	reg, host := newRegistry(t)
	reg.fail = func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, ok := r.BasicAuth(); ok && user == "me" && password == "hunter2" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	p := testPusher()
	p.Keychain = keychain{host: authn.FromConfig(authn.AuthConfig{Username: "me", Password: "hunter2"})}
	image := host + "/me/fn:1"
	if _, err := p.PushStored(t.Context(), storedImage(t, image), image, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestPushOfAnImageThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := testPusher().PushStored(t.Context(), registry.Open(t.TempDir()), "me/fn:1", nil, nil); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error = %v; want registry.ErrNotFound", err)
	}
}

func TestPushRefusesAnImageThatNeedsThisMachine(t *testing.T) {
	t.Parallel()
	needTool(t, "python3")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.py": "def handle(req): return req\n"})
	n.mustBuild(t, Request{Context: p.embedded(t, "python3-http"), Image: "127.0.0.1:1/me/fn:1", Outputs: []Output{{Kind: OutputEngine}}})
	if _, err := testPusher().PushStored(t.Context(), n.Store, "127.0.0.1:1/me/fn:1", nil, nil); err == nil || !strings.Contains(err.Error(), "python3") {
		t.Errorf("error = %v; want one that names python3", err)
	}
}

// cutter is a listener whose connections end when they have received so many
// bytes altogether; after that they are left alone.
type cutter struct {
	net.Listener
	after int64        // bytes
	got   atomic.Int64 // bytes
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	return &cutConn{Conn: conn, of: c}, err
}

type cutConn struct {
	net.Conn
	of *cutter
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if got := c.of.got.Add(int64(n)); got >= c.of.after && got-int64(n) < c.of.after {
		return n, errors.Join(c.Close(), io.ErrUnexpectedEOF)
	}
	return n, err
}

// newStoreRegistry serves a store, as the local platform does, and cuts one
// connection after so many bytes.
func newStoreRegistry(t *testing.T, after int64) (c *cutter, r *recorder, image string) {
	t.Helper()
	account := registry.ServerOptions{User: "me", Password: "hunter2"}
	r = &recorder{next: registry.Open(t.TempDir()).Handler(account)}
	srv := httptest.NewUnstartedServer(r)
	c = &cutter{Listener: srv.Listener, after: after}
	srv.Listener = c
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return c, r, strings.TrimPrefix(srv.URL, "http://") + "/me/fn:1"
}

// bigLayer is one that connections are cut in, in bytes.
const bigLayer = 8 << 20

func storedLayers(t *testing.T, image string, size int64, layers int64) *registry.Store {
	t.Helper()
	store := registry.Open(t.TempDir())
	img, err := random.Image(size, layers)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.WriteImage(t.Context(), image, img); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestPushGoesOnWithALayerThatWasCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		tells bool
		most  int64 // bytes that may be sent
	}{
		{"from where the registry has it", true, bigLayer * 5 / 4},
		{"from its start if the registry does not tell", false, bigLayer * 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conns, reg, image := newStoreRegistry(t, bigLayer/2)
			reg.fail = func(w http.ResponseWriter, r *http.Request) bool {
				if refused := !c.tells && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/"); refused {
					w.WriteHeader(http.StatusNotFound)
					return true
				}
				return false
			}
			store := storedLayers(t, image, bigLayer, 1)
			p := testPusher()
			p.Transport = &http.Transport{}
			p.Keychain = keychain{strings.TrimSuffix(image, "/me/fn:1"): authn.FromConfig(authn.AuthConfig{Username: "me", Password: "hunter2"})}
			var done, total int64
			d, err := p.PushStored(t.Context(), store, image, nil, func(d, all int64) { done, total = d, all })
			if err != nil {
				t.Fatal(err)
			}
			if h, _, _ := store.Resolve(image); h.String() != string(d) {
				t.Errorf("pushed %s; want %s", d, h)
			}
			if sent := conns.got.Load(); sent < bigLayer || sent > c.most {
				t.Errorf("%d bytes of a layer of %d were sent; want at most %d", sent, bigLayer, c.most)
			}
			if done != total || total < bigLayer {
				t.Errorf("progress ended at %d of %d", done, total)
			}
		})
	}
}

func TestPushAgainSendsOnlyWhatAnInterruptedOneDidNot(t *testing.T) {
	t.Parallel()
	reg, host := newRegistry(t)
	image := host + "/me/fn:1"
	store := storedLayers(t, image, 4<<10, 5)
	interrupt := errors.New("interrupt")
	ctx, cancel := context.WithCancelCause(t.Context())
	var uploads atomic.Int32
	var second atomic.Bool
	reg.fail = func(_ http.ResponseWriter, r *http.Request) bool {
		if !second.Load() && r.Method == http.MethodPatch && uploads.Add(1) > pushJobs { // so one is complete
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client goes
			cancel(interrupt)
			<-r.Context().Done()
			return true
		}
		return false
	}
	if _, err := testPusher().PushStored(ctx, store, image, nil, nil); !errors.Is(err, interrupt) {
		t.Fatalf("error = %v; want the interrupt", err)
	}
	second.Store(true)
	before := reg.count("PATCH")
	if _, err := testPusher().PushStored(t.Context(), store, image, nil, nil); err != nil {
		t.Fatal(err)
	}
	const blobs = 5 + 1 // the configuration is one
	if again := reg.count("PATCH") - before; again == 0 || again == blobs {
		t.Errorf("%d of %d blobs were sent by the second push", again, blobs)
	}
}
