package local

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// Most calls are a small request and an answer. For those the general proxy is dear: two goroutines and several
// hand-overs for each, to allow for bodies that flow both ways at once. Such calls are written and read right here, in
// the goroutine of the server, over connections that their endpoint keeps.

// maxDirectBody bounds what counts as small, in bytes. A body of this size fits into the buffers of a loopback
// connection, so that writing it never waits for a reader who waits for us.
const maxDirectBody = 64 << 10

// direct says whether the call can be made here: a body of a known, small size, and no other protocol wanted.
func direct(r *http.Request) bool {
	return r.ContentLength >= 0 && r.ContentLength <= maxDirectBody && r.Header.Get("Upgrade") == "" && len(r.Trailer) == 0
}

// upstream is a connection to a replica.
type upstream struct {
	conn  net.Conn
	r     *bufio.Reader
	w     *bufio.Writer
	since time.Time   // when it became idle
	stop  func() bool // of the current call: the connection does not end with its caller any more
}

// connect returns an idle connection that is still open, or a new one.
func (e *endpoint) connect(ctx context.Context, dialer *net.Dialer) (u *upstream, err error) {
	for {
		e.mu.Lock()
		n := len(e.pool)
		if n == 0 {
			e.mu.Unlock()
			break
		}
		u = e.pool[n-1]
		e.pool[n-1] = nil
		e.pool = e.pool[:n-1]
		e.mu.Unlock()
		if time.Since(u.since) < idleFor && isOpen(u.conn) {
			return u, nil
		}
		_ = u.conn.Close()
	}
	conn, err := dialer.DialContext(ctx, "tcp", e.address)
	if err != nil {
		return nil, err
	}
	return &upstream{conn: conn, r: bufio.NewReader(conn), w: bufio.NewWriter(conn)}, nil
}

// keep makes a connection available to the next call.
func (e *endpoint) keep(u *upstream) {
	u.since = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.pool) >= idlePerReplica {
		_ = u.conn.Close()
		return
	}
	e.pool = append(e.pool, u)
}

// serveDirect makes the call.
func (p *proxy) serveDirect(w *recorder, r *http.Request, c *call) {
	buf := p.buffers.Get()
	defer p.buffers.Put(buf)
	body, err := readSmall(r, buf)
	if err != nil { // the client broke off
		refuse(w, http.StatusBadRequest, "read the body: "+err.Error())
		return
	}
	u, res, err := p.exchange(r, c, body)
	if err != nil {
		p.fail(r.Context(), w, c, err)
		return
	}
	p.decorate(res.Header, c)
	whole := p.relay(w, res, buf)
	if !u.stop() || !whole || res.Close || u.r.Buffered() > 0 {
		_ = u.conn.Close()
		if !whole {
			panic(http.ErrAbortHandler) // the client is to see that something is missing
		}
		return
	}
	c.ep.keep(u)
}

// readSmall reads the body, into buf where it fits.
func readSmall(r *http.Request, buf []byte) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > int64(len(buf)) {
		buf = make([]byte, r.ContentLength)
	}
	_, err := io.ReadFull(r.Body, buf[:r.ContentLength])
	return buf[:r.ContentLength], err
}

// abort ends whatever waits for the connection.
func (u *upstream) abort() { _ = u.conn.SetDeadline(time.Unix(1, 0)) }

// exchange sends the request to a replica and reads the head of its answer.
func (p *proxy) exchange(r *http.Request, c *call, body []byte) (*upstream, *http.Response, error) {
	if c.ep = c.f.pick(); c.ep != nil {
		u, err := c.ep.connect(r.Context(), p.dialer)
		if err == nil {
			return p.send(r, c, u, body)
		}
		if !unreachable(err) {
			return nil, nil, err
		}
		c.release()
	}
	// A time limit is worth its price only now, as there is something to wait for.
	ctx, cancel := context.WithTimeoutCause(r.Context(), coldStart, errNotReady)
	defer cancel()
	for {
		ep, err := c.f.acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		c.ep = ep
		u, err := ep.connect(ctx, p.dialer)
		if err == nil {
			return p.send(r, c, u, body)
		}
		if !unreachable(err) {
			return nil, nil, err
		}
		c.release() // nothing was sent, so another replica may be tried
		select {    // its end is noticed within moments; then it is no candidate
		case <-time.After(probeAgain):
		case <-ctx.Done():
			return nil, nil, err
		}
	}
}

// send writes the request and reads the head of the answer. From here on the connection breaks when the caller goes away,
// until its stop is called.
func (p *proxy) send(r *http.Request, c *call, u *upstream, body []byte) (*upstream, *http.Response, error) {
	u.stop = context.AfterFunc(r.Context(), u.abort)
	res, err := u.ask(r, c, body)
	if err != nil {
		u.stop()
		_ = u.conn.Close()
		return nil, nil, err
	}
	return u, res, nil
}

func (u *upstream) ask(r *http.Request, c *call, body []byte) (*http.Response, error) {
	writeHead(u.w, r, c, len(body))
	_, _ = u.w.Write(body) // the writer keeps its first error for Flush
	if err := u.w.Flush(); err != nil {
		return nil, err
	}
	for {
		res, err := http.ReadResponse(u.r, r)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, errBrokenOff
		case err != nil:
			return nil, err
		case res.StatusCode >= http.StatusOK:
			return res, nil
		}
	}
}

// errBrokenOff says that a replica closed the connection instead of answering.
var errBrokenOff = errors.New("it closed the connection")

// writeHead writes the request line and the headers. The writer keeps its first error.
func writeHead(w *bufio.Writer, r *http.Request, c *call, length int) {
	_, _ = w.WriteString(r.Method)
	_ = w.WriteByte(' ')
	_, _ = w.WriteString(c.path)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		_ = w.WriteByte('?')
		_, _ = w.WriteString(r.URL.RawQuery)
	}
	_, _ = w.WriteString(" HTTP/1.1\r\n")
	field := func(key, value string) {
		_, _ = w.WriteString(key)
		_, _ = w.WriteString(": ")
		_, _ = w.WriteString(value)
		_, _ = w.WriteString("\r\n")
	}
	field("Host", r.Host)
	for key, values := range r.Header {
		if dropped(key, r.Header) {
			continue
		}
		for _, value := range values {
			field(key, value)
		}
	}
	if length > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		field("Content-Length", strconv.Itoa(length))
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		field("X-Forwarded-For", host)
	}
	field("X-Forwarded-Host", r.Host)
	field("X-Forwarded-Proto", "http")
	field(headerCallID, c.id)
	field(headerStart, strconv.FormatInt(c.start.UnixNano(), 10))
	_, _ = w.WriteString("\r\n")
}

// dropped says whether a header of a request does not go on: those of one connection (RFC 9110 7.6.1), and those that we
// set ourselves.
func dropped(key string, h http.Header) bool {
	switch key {
	case "Content-Length", "Expect", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", headerCallID, headerStart:
		return true
	}
	return perConnection(key, h)
}

// perConnection says whether a header is of one connection alone.
func perConnection(key string, h http.Header) bool {
	switch key {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)) == key {
				return true
			}
		}
	}
	return false
}

// relay passes the answer on, as it comes; whole says whether it came to its end.
func (p *proxy) relay(w *recorder, res *http.Response, buf []byte) (whole bool) {
	h := w.Header()
	for key, values := range res.Header {
		if !perConnection(key, res.Header) {
			h[key] = values
		}
	}
	for key := range res.Trailer {
		h.Add("Trailer", key)
	}
	w.WriteHeader(res.StatusCode)
	var flush func() error
	if res.ContentLength < 0 || strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		flush = http.NewResponseController(w).Flush
	}
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return false
			}
			if flush != nil && flush() != nil {
				return false
			}
		}
		switch {
		case err == io.EOF: //nolint:errorlint // readers return it as it is
			for key, values := range res.Trailer {
				h[key] = values
			}
			return true
		case err != nil:
			return false
		}
	}
}
