package commands

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/loopback"
	"github.com/faas-cli/faas-cli/local"
)

// A localFront is the one port of functions that are run by themselves: with
// --all it has the gateway's paths, otherwise everything goes to the single
// function.
type localFront struct {
	all      bool
	base     string // URL
	hosts    []string
	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup

	mu        sync.RWMutex
	addresses map[string]string // by function; empty: it does not run
}

// newLocalFront listens and serves.
func (e *Env) newLocalFront(ctx context.Context, o localRunOptions) (*localFront, error) {
	lc := net.ListenConfig{Control: loopback.Control}
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return nil, portTaken(err, "--port", o.port)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	f := &localFront{all: o.all, base: "http://" + net.JoinHostPort(o.host, port), listener: l, addresses: map[string]string{}}
	if ip := net.ParseIP(o.host); ip != nil && ip.IsLoopback() {
		f.hosts = []string{net.JoinHostPort(o.host, port), "localhost:" + port}
	} else {
		e.warnf("other machines can call the functions at %s", f.base)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       f.rewrite,
		FlushInterval: -1, // streams arrive as they are written
		Transport:     e.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the function does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
	f.server = &http.Server{
		Handler:           f.guard(proxy),
		ReadHeaderTimeout: 10 * time.Second,
	}
	f.served.Go(func() { _ = f.server.Serve(l) }) // until close
	return f, nil
}

// guard answers only requests that name this listener, where it is for this
// machine alone, that no browser sends for another site, and only for functions
// that run.
func (f *localFront) guard(next http.Handler) http.Handler {
	sites := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.hosts != nil && !slices.Contains(f.hosts, strings.ToLower(r.Host)) {
			http.Error(w, "misdirected request: this is not "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		if err := local.CheckSite(sites, r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		switch address, _, known := f.find(r.URL); {
		case !known:
			http.Error(w, "no such function; paths are /function/NAME", http.StatusNotFound)
			return
		case address == "":
			http.Error(w, "the function does not run", http.StatusBadGateway)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// find returns where the function of a request is, empty if it does not run, and
// the path it gets.
func (f *localFront) find(u *url.URL) (address, path string, known bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.all {
		for _, address := range f.addresses {
			return address, u.EscapedPath(), true
		}
		return "", "", true
	}
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/function/")
	if !ok {
		return "", "", false
	}
	name, path, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, ".") // NAME.NAMESPACE
	address, known = f.addresses[name]
	return address, "/" + path, known
}

func (f *localFront) rewrite(p *httputil.ProxyRequest) {
	address, path, _ := f.find(p.In.URL)
	p.Out.URL.Scheme, p.Out.URL.Host = "http", address
	if u, err := url.Parse(path); err == nil {
		p.Out.URL.Path, p.Out.URL.RawPath = u.Path, u.RawPath
	}
	p.SetXForwarded()
}

// add makes a function reachable and returns its URL.
func (f *localFront) add(name, address string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addresses[name] = address
	if f.all {
		return fmt.Sprintf("%s/function/%s", f.base, name)
	}
	return f.base
}

// stopped says that a function does not run, so that nobody waits for it.
func (f *localFront) stopped(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addresses[name] = ""
}

// keep forgets the functions that are no longer there.
func (f *localFront) keep(there func(name string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.addresses, func(name, _ string) bool { return !there(name) })
}

// close ends the listener and the requests in flight.
func (f *localFront) close() {
	_ = f.server.Close()
	f.served.Wait()
}
