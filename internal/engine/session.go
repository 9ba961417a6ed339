package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// buildSession is what a client offers to BuildKit while it builds: gRPC services that the engine
// calls over one connection, which was an HTTP request to begin with. It differs from BuildKit's own
// session.Session in how the files of the context leave: see [packetStream].
type buildSession struct {
	id, key string
	rpc     *grpc.Server
	files   filesync.FileSyncServer
}

// newBuildSession offers the files of a context and the services of others.
func newBuildSession(key string, files filesync.FileSyncServer, others ...session.Attachable) *buildSession {
	s := &buildSession{id: strings.ToLower(rand.Text()), key: key, files: files, rpc: grpc.NewServer(
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
	)}
	grpc_health_v1.RegisterHealthServer(s.rpc, health.NewServer()) // without it the engine hangs up
	filesync.RegisterFileSyncServer(s.rpc, files)
	for _, o := range others {
		o.Register(s.rpc)
	}
	return s
}

// run serves the engine until ctx or the connection ends.
//
// Source of truth: POST /session of the Engine API, whose headers name the session, its methods and
// the key under which the engine keeps what it has seen.
func (s *buildSession) run(ctx context.Context, dial session.Dialer) error {
	const methods = "X-Docker-Expose-Session-Grpc-Method"
	meta := map[string][]string{
		"X-Docker-Expose-Session-Uuid":      {s.id},
		"X-Docker-Expose-Session-Sharedkey": {s.key},
	}
	for name, service := range s.rpc.GetServiceInfo() {
		for _, m := range service.Methods {
			meta[methods] = append(meta[methods], session.MethodURL(name, m.Name))
		}
	}
	conn, err := dial(ctx, "h2c", meta)
	if err != nil {
		return err
	}
	l := &soleListener{ended: make(chan struct{})}
	l.conn = &soleConn{Conn: conn, l: l}
	defer l.conn.Close() //nolint:errcheck // closed already, mostly
	defer context.AfterFunc(ctx, func() { _ = l.conn.Close() })()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+filesync.FileSync_DiffCopy_FullMethodName, s.sendFiles)
	mux.Handle("/", s.rpc)
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)} //nolint:gosec // the peer is the engine
	server.Protocols.SetUnencryptedHTTP2(true)
	defer server.Close() //nolint:errcheck // nothing is left to be told
	if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// soleListener hands out one connection, and ends when that does.
type soleListener struct {
	conn  *soleConn
	given bool // Accept is called by one goroutine
	once  sync.Once
	ended chan struct{}
}

func (l *soleListener) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.ended
	return nil, net.ErrClosed
}

func (l *soleListener) Close() error {
	l.once.Do(func() { close(l.ended) })
	return nil
}

func (l *soleListener) Addr() net.Addr { return l.conn.LocalAddr() }

type soleConn struct {
	net.Conn
	l *soleListener
}

func (c *soleConn) Close() error { return errors.Join(c.l.Close(), c.Conn.Close()) }
