package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/internal/loopback"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

// Headers of invocations. Source of truth: the OpenFaaS gateway.
const (
	headerCallID   = "X-Call-Id"
	headerStart    = "X-Start-Time"       // nanoseconds since 1970
	headerDuration = "X-Duration-Seconds" // with six decimals
	headerStatus   = "X-Function-Status"
	headerFunction = "X-Function-Name"
	headerCallback = "X-Callback-Url"
)

const (
	// coldStart is how long a call waits for a replica.
	coldStart = 60 * time.Second

	// idleFor is how long a connection to a replica is kept without a call. It is short: a function may close idle
	// connections after a few seconds itself, and a call that meets such an end cannot be sent again.
	idleFor = 3 * time.Second

	// idlePerReplica bounds those connections; more calls at once open more, which are closed afterwards.
	idlePerReplica = 256

	copyBuffer = 32 << 10 // bytes; as io.Copy's
)

// functionDialer opens them.
func functionDialer() *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, Control: loopback.Control}
}

// functionTransport makes the connections to replicas. They are on this machine: no proxy, no compression of our own.
func functionTransport() *http.Transport {
	return &http.Transport{
		DialContext:         functionDialer().DialContext,
		MaxIdleConnsPerHost: idlePerReplica,
		IdleConnTimeout:     idleFor,
		DisableCompression:  true,
	}
}

// target is what the path of a call names.
type target struct {
	name string // as it was called
	ref  runtime.Ref
	path string // escaped, begins with /
}

// parseTarget reads NAME[.NAMESPACE][/PATH], as it comes in the URL.
func parseTarget(escaped string) (target, bool) {
	called, path, _ := strings.Cut(escaped, "/")
	name, namespace, dotted := strings.Cut(called, ".")
	if !dotted {
		namespace = DefaultNamespace
	}
	return target{called, runtime.Ref{Name: name, Namespace: namespace}, "/" + path}, validName(name) && validName(namespace)
}

// proxy passes calls on to replicas.
type proxy struct {
	fleet     *fleet
	dialer    *net.Dialer
	transport http.RoundTripper
	forward   *httputil.ReverseProxy // of the calls that are not made directly
	buffers   *bufferPool
}

func newProxy(fl *fleet) *proxy {
	p := &proxy{fleet: fl, dialer: functionDialer(), transport: functionTransport(), buffers: &bufferPool{}}
	p.forward = &httputil.ReverseProxy{
		Rewrite:    p.rewrite,
		Transport:  p,
		BufferPool: p.buffers,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			p.fail(r.Context(), w.(*recorder), callOf(r.Context()), err)
		},
		ModifyResponse: p.answer,
		// FlushInterval stays 0: ReverseProxy flushes streams of unknown length and server-sent events as they come.
	}
	return p
}

// call is one invocation on its way.
type call struct {
	f     *function
	path  string // escaped
	id    string
	start time.Time
	ep    *endpoint
}

// release gives the replica back, if the call has one.
func (c *call) release() {
	if c.ep != nil {
		c.ep.release()
		c.ep = nil
	}
}

// callKey is the context key of the call that a request belongs to.
type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// serve answers /function/…; rest is what follows that prefix.
func (p *proxy) serve(w http.ResponseWriter, r *http.Request, rest string) {
	t, ok := parseTarget(rest)
	var f *function
	if ok {
		f = p.fleet.lookup(t.ref)
	}
	if f == nil {
		refuse(w, http.StatusNotFound, "error finding function "+t.name+": not found")
		return
	}
	c := &call{f: f, path: t.path, start: time.Now(), id: callID(r)}
	f.invocations.Add(1)
	p.fleet.metrics.begin(f.ref)
	rec := &recorder{ResponseWriter: w}
	defer func() { // also when the copy is aborted, which panics
		c.release()
		p.fleet.metrics.end(f.ref, rec.status(), time.Since(c.start))
	}()
	if direct(r) {
		p.serveDirect(rec, r, c)
		return
	}
	// The answer may begin before the request has ended; otherwise the server would first read all of it.
	_ = http.NewResponseController(w).EnableFullDuplex()
	p.forward.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
}

func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	c := callOf(pr.In.Context())
	u := pr.Out.URL
	u.Scheme, u.Host = "http", c.f.ref.Name // the transport knows the address
	setEscapedPath(u, c.path)
	u.RawQuery = pr.In.URL.RawQuery // as it came, also where Go would not parse it
	pr.SetXForwarded()
	pr.Out.Header.Set(headerCallID, c.id)
	pr.Out.Header.Set(headerStart, strconv.FormatInt(c.start.UnixNano(), 10))
}

// RoundTrip sends the request to a replica that is ready, waiting for one if need be. When the replica cannot be
// reached, nothing was sent, so another is tried.
func (p *proxy) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callOf(req.Context())
	ctx, cancel := context.WithTimeoutCause(req.Context(), coldStart, errNotReady)
	defer cancel()
	for {
		ep, err := c.f.acquire(ctx)
		if err != nil {
			return nil, err
		}
		c.ep = ep
		req.URL.Host = ep.address
		res, err := p.transport.RoundTrip(req)
		if err == nil || !unreachable(err) || req.Context().Err() != nil {
			return res, err
		}
		c.release()
		select { // its end is noticed within moments; then it is no candidate
		case <-time.After(probeAgain):
		case <-ctx.Done():
			return nil, err
		}
	}
}

var _ http.RoundTripper = (*proxy)(nil)

const probeAgain = 10 * time.Millisecond

// unreachable says that no connection came about.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (p *proxy) answer(res *http.Response) error {
	p.decorate(res.Header, callOf(res.Request.Context()))
	return nil
}

// decorate adds our headers to an answer.
func (p *proxy) decorate(h http.Header, c *call) {
	h.Set(headerCallID, c.id)
	h.Set(headerStart, strconv.FormatInt(c.start.UnixNano(), 10))
	h.Set(headerDuration, seconds(time.Since(c.start)))
}

// fail answers a call that no replica answered.
func (p *proxy) fail(ctx context.Context, w *recorder, c *call, err error) {
	p.decorate(w.Header(), c)
	status, text := callError(ctx, c.f.ref, err)
	if status == http.StatusBadGateway && c.ep != nil {
		c.ep.settle()
	}
	if status == statusClientGone {
		w.code = status // nobody reads an answer
		return
	}
	refuse(w, status, text)
}

// statusClientGone is what metrics count a call as whose caller went away. No client sees it; the number is nginx's.
const statusClientGone = 499

// callError translates the error of a call.
func callError(ctx context.Context, ref runtime.Ref, err error) (status int, text string) {
	switch {
	case ctx.Err() != nil:
		return statusClientGone, ""
	case errors.Is(err, errNoFunction):
		return http.StatusNotFound, "error finding function " + ref.String() + ": not found"
	case errors.Is(err, errNotReady):
		return http.StatusServiceUnavailable, "function " + ref.String() + " is not ready: " + err.Error()
	case errors.Is(err, errClosing):
		return http.StatusServiceUnavailable, err.Error()
	}
	return http.StatusBadGateway, "function " + ref.String() + " did not answer: " + err.Error()
}

// setEscapedPath sets both forms of the path, so that it is sent as it came.
func setEscapedPath(u *url.URL, escaped string) {
	path, err := url.PathUnescape(escaped)
	if err != nil { // cannot be: it was taken from a parsed URL
		path = escaped
	}
	u.Path, u.RawPath = path, escaped
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }

// maxCallID bounds an identifier that the caller chose.
const maxCallID = 128

// callID returns the caller's identifier, or a new one, in the form of a UUID.
func callID(r *http.Request) string {
	if id := r.Header.Get(headerCallID); id != "" && len(id) <= maxCallID {
		return id
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: package documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols { // the other 1xx announce an answer
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController flush and hijack.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}

// bufferPool lends copy buffers to the proxy.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[copyBuffer]byte); ok {
		return b[:]
	}
	return make([]byte, copyBuffer)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[copyBuffer]byte)(b)) }

var _ httputil.BufferPool = (*bufferPool)(nil)
