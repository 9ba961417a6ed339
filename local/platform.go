package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/filelock"
	"github.com/faas-cli/faas-cli/internal/loopback"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

// Options are how a platform is started.
type Options struct {
	Dir     string // state folder; made if it does not exist
	Port    int    // of the gateway on 127.0.0.1; 0: any free one
	Runtime string // what Instance.Runtime says
	Origins []string

	Registry     bool // serve the image store to other tools
	RegistryPort int  // preferred; another is taken when it is not free

	// Runtimes returns the sources of the runtimes, in the order in which they are tried. The platform closes what it
	// connects.
	Runtimes func(h Host) []RuntimeSource

	// StartLimit is how long a replica may take to become healthy; 0 means two minutes: an engine may have to pull its
	// image first.
	StartLimit time.Duration

	Version string
	Commit  string
	Log     *slog.Logger
	Now     func() time.Time
}

// Host is what runtimes may need to know of the platform they run for.
type Host struct {
	ID         string // of the instance; a DNS label
	Dir        string // state folder; see RuntimeDir
	GatewayURL string // as this machine's processes reach it
	Images     StoreImages
}

// RuntimeDir is the folder that a runtime may keep its own files in.
func (h Host) RuntimeDir(kind runtime.Kind) string { return filepath.Join(h.Dir, string(kind)) }

// RunningError says that a platform runs already.
type RunningError struct{ Instance Instance }

func (e *RunningError) Error() string {
	if e.Instance.Address == "" {
		return "the local platform is being started or stopped by another command"
	}
	return fmt.Sprintf("the local platform runs already, at %s (process %d)", e.Instance.URL(), e.Instance.PID)
}

// PortError says that the gateway's port is taken.
type PortError struct {
	Port   int
	Holder string // "process 12 (nginx)", or empty when that cannot be found out
	Err    error
}

func (e *PortError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("port %d of 127.0.0.1 is taken", e.Port)
	}
	return fmt.Sprintf("port %d of 127.0.0.1 is taken by %s", e.Port, e.Holder)
}

func (e *PortError) Unwrap() error { return e.Err }

const (
	// drainLimit is how long accepted asynchronous calls may take when the platform stops.
	drainLimit = 15 * time.Second
	// answerLimit is how long calls in flight may take then.
	answerLimit = 10 * time.Second
	lockWait    = time.Second
)

// Run runs a platform until ctx ends, which is its normal end: then it stops everything and returns nil. ready is called
// once, when it answers. It fails with a *RunningError when one runs already, and with a *PortError when the port is
// taken.
func Run(ctx context.Context, o Options, ready func(Instance)) (err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("start the local platform: %w", err)
	}
	held, err := lockPatiently(ctx, filepath.Join(o.Dir, lockFile))
	if errors.Is(err, filelock.ErrHeld) {
		in, _ := Discover(o.Dir) // without: it is starting or stopping
		return &RunningError{Instance: in}
	}
	if err != nil {
		return fmt.Errorf("start the local platform: %w", err)
	}
	defer held.Release()
	id, err := identify(o.Dir)
	if err != nil {
		return fmt.Errorf("start the local platform: %w", err)
	}
	l, err := listen(ctx, o.Port)
	if err != nil {
		return err
	}
	p := &platform{o: o, id: id, store: registry.Open(ImagesDir(o.Dir))}
	p.in = Instance{
		ID: id.id, Address: l.Addr().String(), Runtime: o.Runtime, PID: os.Getpid(), Version: o.Version, Started: o.Now().UTC(), dir: o.Dir,
	}
	if err := p.serve(ctx, l, ready); err != nil {
		return fmt.Errorf("run the local platform: %w", err)
	}
	return nil
}

// platform is a Run.
type platform struct {
	o     Options
	id    identity
	in    Instance
	store *registry.Store

	mu        sync.Mutex
	listeners []net.Listener
	servers   []*http.Server
	starts    []func() error     // of the servers, until run is there
	run       func(func() error) // nil while nobody would wait for a server
	stopping  bool
}

// serve serves on l, which it closes, until ctx ends.
func (p *platform) serve(ctx context.Context, l net.Listener, ready func(Instance)) (err error) {
	defer p.closeListeners()
	p.listeners = []net.Listener{l}
	if p.o.Registry {
		rl, err := listenNear(ctx, p.o.RegistryPort)
		if err != nil {
			return fmt.Errorf("registry: %w", err)
		}
		p.in.Registry = rl.Addr().String()
		p.add(rl, p.store.Handler(registry.ServerOptions{User: User, Password: p.id.password}))
	}
	images := StoreImages{Store: p.store, Registry: p.in.Registry}
	var server *Server
	server, err = NewServer(ctx, Config{
		Dir: p.o.Dir, Images: images,
		Runtimes: p.o.Runtimes(Host{ID: p.id.id, Dir: p.o.Dir, GatewayURL: p.in.URL(), Images: images}),
		Prepare:  func(ctx context.Context, rt runtime.Runtime) error { return p.listenFor(ctx, server, rt) },
		Log:      p.o.Log, Now: p.o.Now, StartLimit: p.o.StartLimit,
		ID: p.id.id, Key: p.id.key, Password: p.id.password, Address: p.in.Address, Origins: p.o.Origins,
		Version: p.o.Version, Commit: p.o.Commit,
	})
	if err != nil {
		return err
	}
	defer func() {
		// What follows outlives the context, whose end is the reason for it.
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		err = errors.Join(err, server.Close(drain))
	}()
	p.add(l, server.Handler())
	if err := server.Restore(ctx); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(p.o.Dir, instanceFile), p.in); err != nil {
		return err
	}
	defer func() { _ = os.Remove(filepath.Join(p.o.Dir, instanceFile)) }()
	return p.until(ctx, server, ready)
}

// listenFor opens the listener that the replicas of the runtime call functions through, where they need one of their own.
func (p *platform) listenFor(ctx context.Context, server *Server, rt runtime.Runtime) error {
	network, ok := rt.(runtime.FunctionNetwork)
	if !ok {
		return nil
	}
	l, hosts, err := network.Listen(ctx)
	if runtime.IsAway(err) {
		return err
	}
	if err != nil { // functions run; only calls between them do not
		p.o.Log.Warn("functions cannot call each other", "runtime", rt.Kind(), "error", err)
		return nil
	}
	calls, err := server.CallHandler(callHosts(l, hosts))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	p.add(l, calls)
	return nil
}

// closeListeners closes those that no server got, too.
func (p *platform) closeListeners() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.listeners {
		_ = l.Close()
	}
}

// callHosts are what functions may call the listener: its address and the given names, with its port.
func callHosts(l net.Listener, names []string) []string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil
	}
	return listenerHosts(append([]string{host}, names...), port)
}

// add makes a listener and its handler part of the platform. Timeouts bound only what comes before a body: a function
// may take its time.
func (p *platform) add(l net.Listener, h http.Handler) {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(p.o.Log.Handler(), slog.LevelWarn),
	}
	start := func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, l)
	switch {
	case p.stopping:
		_ = l.Close()
	case p.run != nil:
		p.servers = append(p.servers, srv)
		p.run(start)
	default:
		p.servers = append(p.servers, srv)
		p.starts = append(p.starts, start)
	}
}

// until serves until ctx ends or a listener fails.
func (p *platform) until(ctx context.Context, server *Server, ready func(Instance)) error {
	g, ctx := errgroup.WithContext(ctx)
	p.mu.Lock()
	p.run = g.Go
	for _, start := range p.starts {
		p.run(start)
	}
	p.mu.Unlock()
	g.Go(func() error {
		<-ctx.Done()
		server.StopStreams()
		p.mu.Lock()
		p.stopping = true
		servers := p.servers
		p.mu.Unlock()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
		defer cancel()
		for _, srv := range servers {
			if srv.Shutdown(limited) != nil {
				_ = srv.Close()
			}
		}
		return nil
	})
	ready(p.in)
	return g.Wait()
}

// lockPatiently takes the lock, which others may hold for an instant to see whether it is taken.
func lockPatiently(ctx context.Context, path string) (*filelock.Lock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, filelock.ErrHeld)
	defer cancel()
	return filelock.Exclusive(ctx, path)
}

// identity is what makes an instance itself, from its first start until its state is purged.
type identity struct {
	id       string
	key      []byte
	password string
}

// idFile holds the identifier of the instance.
const idFile = "id"

// identify reads the identity of the state folder, making it the first time.
func identify(dir string) (identity, error) {
	id, err := secretFile(filepath.Join(dir, idFile), func() string { return "local-" + randomHex(6) })
	if err != nil {
		return identity{}, err
	}
	key, err := secretFile(filepath.Join(dir, keyFile), func() string { return randomHex(nonceSize) })
	if err != nil {
		return identity{}, err
	}
	password, err := secretFile(filepath.Join(dir, passwordFile), rand.Text)
	return identity{id: id, key: []byte(key), password: password}, err
}

// secretFile returns the content of a file, writing it the first time. Only its owner may read it.
func secretFile(path string, make func() string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	s := make()
	return s, atomicfile.WriteBytes(path, 0o600, []byte(s))
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: package documentation
	return hex.EncodeToString(b)
}

// listen opens the gateway's port on the loopback address, and no other.
func listen(ctx context.Context, port int) (net.Listener, error) {
	lc := net.ListenConfig{Control: loopback.Control}
	l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &PortError{Port: port, Holder: holderOf(port), Err: err}
	}
	return l, err
}

// listenNear opens the port, or any free one when it is taken.
func listenNear(ctx context.Context, port int) (net.Listener, error) {
	l, err := listen(ctx, port)
	var taken *PortError
	if errors.As(err, &taken) {
		return listen(ctx, 0)
	}
	return l, err
}

// StoreImages makes an image store the [Images] of a platform and of its process runtime.
type StoreImages struct {
	Store    *registry.Store
	Registry string // HOST:PORT at which others push to the store; empty: nowhere
}

var (
	_ Images               = StoreImages{}
	_ runtime.NativeImages = StoreImages{}
)

// Resolve returns what the name means in the store. One that begins with the address of its registry means there what
// was pushed under it, which the store has without that address.
func (s StoreImages) Resolve(name string) (digest string, ok bool, err error) {
	h, ok, err := s.Store.Resolve(name)
	if host, rest, cut := strings.Cut(name, "/"); !ok && err == nil && cut && s.isRegistry(host) {
		h, ok, err = s.Store.Resolve(rest)
	}
	return h.String(), ok, err
}

// isRegistry says whether an image's host is the store's own registry.
func (s StoreImages) isRegistry(host string) bool {
	_, port, err := net.SplitHostPort(s.Registry)
	return err == nil && (host == s.Registry || host == net.JoinHostPort("localhost", port))
}

// Native reports whether the native engine built the image.
func (s StoreImages) Native(digest string) bool {
	h, err := v1.NewHash(digest)
	return err == nil && s.Store.Native(h)
}

// Interpreter returns the program that the image was built for and does not hold.
func (s StoreImages) Interpreter(digest string) string {
	h, err := v1.NewHash(digest)
	if err != nil {
		return ""
	}
	return s.Store.Interpreter(h)
}

// Image returns the image, of an index the one for this machine.
func (s StoreImages) Image(ctx context.Context, digest string) (v1.Image, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	return s.Store.PlatformImage(ctx, h, thisPlatform())
}

// ByHash returns the image for a container engine on this machine.
func (s StoreImages) ByHash(ctx context.Context, h v1.Hash) (v1.Image, error) {
	p := thisPlatform()
	p.OS = "linux"
	return s.Store.PlatformImage(ctx, h, p)
}
