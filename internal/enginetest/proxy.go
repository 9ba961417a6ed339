package enginetest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// A Proxy stands between a client and this machine's engine. It counts what passes, and can be cut,
// which looks to the client as if the engine had stopped.
type Proxy struct {
	socket, engine string
	sent           atomic.Int64

	mu    sync.Mutex
	l     net.Listener // nil while it is cut
	conns map[net.Conn]bool
	g     sync.WaitGroup
}

// NewProxy returns a proxy and a client that connects through it.
func NewProxy(tb testing.TB) (*Proxy, *engine.Client) {
	tb.Helper()
	direct := Connect(tb)
	path, ok := strings.CutPrefix(direct.Endpoint().Host, "unix://")
	if !ok {
		tb.Skipf("the engine at %s has no socket to stand before", direct.Endpoint().Host)
	}
	dir, err := os.MkdirTemp("", "engine-") // the test's own folder may be too deep for a socket
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{socket: filepath.Join(dir, "s"), engine: path, conns: map[net.Conn]bool{}}
	tb.Cleanup(func() {
		p.Cut()
		_ = os.RemoveAll(dir)
	})
	p.Restore(tb)
	c, err := engine.Connect(tb.Context(), engine.Options{Lookup: func(key string) (string, bool) {
		if key == "DOCKER_HOST" {
			return "unix://" + p.socket, true
		}
		return "", false
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return p, c
}

// Sent is the number of bytes that went to the engine.
func (p *Proxy) Sent() int64 { return p.sent.Load() }

// Cut ends all connections and accepts no new ones. It returns when nothing passes any more.
func (p *Proxy) Cut() {
	p.mu.Lock()
	if p.l != nil {
		_ = p.l.Close()
		p.l = nil
	}
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.g.Wait()
}

// Restore lets connections through again.
func (p *Proxy) Restore(tb testing.TB) {
	tb.Helper()
	l, err := net.Listen("unix", p.socket)
	if err != nil {
		tb.Fatal(err)
	}
	p.mu.Lock()
	p.l = l
	p.mu.Unlock()
	p.g.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.g.Go(func() { p.serve(client) })
		}
	})
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("unix", p.engine)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	if p.l == nil {
		p.mu.Unlock()
		_ = client.Close()
		_ = server.Close()
		return
	}
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	var g sync.WaitGroup
	g.Go(func() { pipe(server, client, &p.sent) })
	g.Go(func() { pipe(client, server, nil) })
	g.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
	_ = client.Close()
	_ = server.Close()
}

func pipe(to, from net.Conn, count *atomic.Int64) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if count != nil {
			count.Add(int64(n))
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				_ = from.Close()
				return
			}
		}
		if err != nil {
			if c, ok := to.(*net.UnixConn); ok && err == io.EOF { //nolint:errorlint // Read returns it bare
				_ = c.CloseWrite()
			}
			return
		}
	}
}
