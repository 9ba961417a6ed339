package local

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// Paths that lead to functions.
const (
	functionPrefix = "/function/"
	asyncPrefix    = "/async-function/"
)

// Config is what a [Server] is made of.
type Config struct {
	Dir      string          // state folder
	Runtimes []RuntimeSource // in the order in which they are tried
	Images   Images
	Log      *slog.Logger
	Now      func() time.Time

	// Prepare opens what replicas of a runtime need before any of them starts; nil: nothing.
	Prepare func(ctx context.Context, rt runtime.Runtime) error

	StartLimit time.Duration // from a replica's start to healthy; 0: two minutes

	ID       string // of the instance
	Key      []byte // proves the instance
	Password string // of the control plane
	Address  string // host:port that it is reached at
	Origins  []string
	Version  string // of the binary
	Commit   string
}

// Server is the gateway: the control plane, the function proxy and the queue, without listeners. Tests serve its
// Handler, over a runtime of their own.
type Server struct {
	cfg   Config
	fleet *fleet
	proxy *proxy
	queue *queue
	guard *guard

	stopStreams func() // closes stopping, once
	stopping    chan struct{}
}

// NewServer returns a server over the state in c.Dir. Restore brings its functions back; Close ends it.
func NewServer(ctx context.Context, c Config) (*Server, error) {
	_, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, err
	}
	g, err := newGuard(listenerHosts(loopbackNames(), port), c.Origins)
	if err != nil {
		return nil, err
	}
	fl := &fleet{
		state: state{c.Dir}, runtimes: newAttachments(c.Runtimes), prepare: c.Prepare, images: c.Images, metrics: new(metrics), log: c.Log, now: c.Now,
		probes:     &http.Client{Transport: functionTransport()},
		startLimit: cmp.Or(c.StartLimit, defaultStartLimit),
		functions:  map[runtime.Ref]*function{},
	}
	fl.life, fl.end = context.WithCancel(context.WithoutCancel(ctx)) // Close ends it, after the requests
	s := &Server{cfg: c, fleet: fl, proxy: newProxy(fl), guard: g, stopping: make(chan struct{})}
	s.stopStreams = sync.OnceFunc(func() { close(s.stopping) })
	s.queue = newQueue(ctx, fl, s.proxy.transport, c.Log)
	return s, nil
}

// Restore brings back the functions that the state folder records; they become ready in their own time.
func (s *Server) Restore(ctx context.Context) error { return s.fleet.restore(ctx) }

// Close drains the queue, at most until ctx ends, and stops all functions, which come back with the next server over
// the same folder. Requests are to have ended before.
func (s *Server) Close(ctx context.Context) error {
	lost := s.queue.close(ctx)
	s.fleet.close()
	var errs []error
	for _, rt := range s.fleet.attachedRuntimes() {
		errs = append(errs, rt.Close())
	}
	if lost > 0 {
		s.cfg.Log.Error("asynchronous calls were dropped", "calls", lost)
	}
	return errors.Join(errs...)
}

// StopStreams ends log streams, which otherwise last as long as their clients wish, and gives up deployments that wait for
// a replica.
func (s *Server) StopStreams() { s.stopStreams() }

// Handler serves the whole gateway to the loopback listener.
func (s *Server) Handler() http.Handler {
	control := withPassword(s.cfg.Password, s.controlPlane())
	runtimes := withPassword(s.cfg.Password, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeBody(w, s.fleet.states(r.Context()))
	}))
	return s.guard.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Calls are told apart by hand: a ServeMux would redirect paths that are not clean, and those are the functions' own.
		if s.serveCall(w, r) {
			return
		}
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, "/system/"):
			control.ServeHTTP(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			refuse(w, http.StatusNotFound, "not found")
		case path == "/healthz":
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte("OK"))
		case path == "/metrics":
			s.fleet.metrics.ServeHTTP(w, r)
		case path == provePath:
			s.prove(w, r)
		case path == runtimesPath:
			runtimes.ServeHTTP(w, r)
		default:
			refuse(w, http.StatusNotFound, "not found")
		}
	}))
}

// CallHandler serves nothing but functions, to a listener that replicas reach under the given hosts (HOST:PORT).
func (s *Server) CallHandler(hosts []string) (http.Handler, error) {
	g, err := newGuard(hosts, nil)
	if err != nil {
		return nil, err
	}
	return g.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.serveCall(w, r) {
			refuse(w, http.StatusNotFound, "not found")
		}
	})), nil
}

// serveCall answers r if it is a call of a function.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, functionPrefix); ok {
		s.proxy.serve(w, r, rest)
		return true
	}
	if rest, ok := strings.CutPrefix(path, asyncPrefix); ok {
		s.queue.serve(w, r, rest)
		return true
	}
	return false
}

// controlPlane serves /system/.
func (s *Server) controlPlane() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /system/functions", s.listFunctions)
	mux.HandleFunc("POST /system/functions", s.createFunction)
	mux.HandleFunc("PUT /system/functions", s.updateFunction)
	mux.HandleFunc("DELETE /system/functions", s.deleteFunction)
	mux.HandleFunc("GET /system/function/{name}", s.describeFunction)
	mux.HandleFunc("POST /system/scale-function/{name}", s.scaleFunction)
	mux.HandleFunc("GET /system/secrets", s.listSecrets)
	mux.HandleFunc("POST /system/secrets", s.createSecret)
	mux.HandleFunc("PUT /system/secrets", s.updateSecret)
	mux.HandleFunc("DELETE /system/secrets", s.deleteSecret)
	mux.HandleFunc("GET /system/namespaces", s.listNamespaces)
	mux.HandleFunc("POST /system/namespace/{$}", s.createNamespace)
	mux.HandleFunc("GET /system/namespace/{name}", s.describeNamespace)
	mux.HandleFunc("PUT /system/namespace/{name}", s.updateNamespace)
	mux.HandleFunc("DELETE /system/namespace/{name}", s.deleteNamespace)
	mux.HandleFunc("GET /system/logs", s.logs)
	mux.HandleFunc("GET /system/info", s.info)
	return mux
}

// prove answers the challenge of Instance.Prove.
func (s *Server) prove(w http.ResponseWriter, r *http.Request) {
	nonce, err := hex.DecodeString(r.URL.Query().Get("nonce"))
	if err != nil || len(nonce) != nonceSize {
		refuse(w, http.StatusBadRequest, "nonce: 64 hexadecimal digits are wanted")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(hex.EncodeToString(proof(s.cfg.Key, s.cfg.ID, s.cfg.Address, nonce)) + "\n"))
}
