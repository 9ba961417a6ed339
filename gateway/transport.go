package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// TransportOptions say what [NewTransport] puts around a transport. The zero
// value adds retries alone.
type TransportOptions struct {
	UserAgent string // sent where the request has none; empty: Go's own

	// Debug receives one line per request: method, URL, status, time. nil:
	// nothing. Bodies are never shown, as they carry secrets.
	Debug io.Writer
	// DumpHeaders adds the headers of both sides, credentials left out.
	DumpHeaders bool
}

// NewTransport stacks the behaviour that every request of the CLI shares on
// next: User-Agent, retries, debug lines. A GET or HEAD is repeated after a
// failure of the transport, 429, 502, 503 or 504; a PUT or DELETE if it never
// reached the server, or after 429 or 503; anything else never. There are
// three attempts at most, with jitter and as Retry-After says.
func NewTransport(next http.RoundTripper, o TransportOptions) http.RoundTripper {
	if o.Debug != nil {
		next = &debugTransport{next: next, out: o.Debug, headers: o.DumpHeaders}
	}
	next = &retryTransport{next: next}
	if o.UserAgent != "" {
		next = &userAgentTransport{next: next, agent: o.UserAgent}
	}
	return next
}

type userAgentTransport struct {
	next  http.RoundTripper
	agent string
}

func (t *userAgentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", t.agent)
	}
	return t.next.RoundTrip(r)
}

type noRetryKey struct{}

// WithoutRetry marks requests that are sent once: invocations, and polls,
// whose loop is the caller's.
func WithoutRetry(ctx context.Context) context.Context {
	return context.WithValue(ctx, noRetryKey{}, true)
}

const (
	maxAttempts = 3
	// firstDelay is doubled after each attempt; half of it is jitter.
	firstDelay = 100 * time.Millisecond
	// maxRetryAfter is how long we wait because a server asks for it. A longer
	// wait is the user's decision, so the answer is returned at once.
	maxRetryAfter = 10 * time.Second
)

type retryTransport struct{ next http.RoundTripper }

func (t *retryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if ctx.Value(noRetryKey{}) != nil || !repeatable(r) {
		return t.next.RoundTrip(r)
	}
	for attempt := 1; ; attempt++ {
		req := r
		if attempt > 1 && r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			req = r.Clone(ctx)
			req.Body = body
		}
		resp, err := t.next.RoundTrip(req)
		if attempt == maxAttempts || ctx.Err() != nil || !worthRepeating(r.Method, resp, err) {
			return resp, err
		}
		delay := backoff(attempt)
		if resp != nil {
			delay = max(delay, retryAfter(resp.Header))
		}
		if deadline, bound := ctx.Deadline(); delay > maxRetryAfter || bound && time.Until(deadline) < delay {
			return resp, err // what is known says more than "timeout"
		}
		if resp != nil {
			discard(resp)
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// repeatable: a method that may be sent twice, and a body that can be.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
	}
	return false
}

func worthRepeating(method string, resp *http.Response, err error) bool {
	read := method == http.MethodGet || method == http.MethodHead
	if err != nil {
		return !permanent(err) && (read || neverSent(err))
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return read
	}
	return false
}

// permanent errors come back however often one asks.
func permanent(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		dns         *net.DNSError
	)
	return errors.As(err, &certificate) || errors.As(err, &record) ||
		errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &dns) && dns.IsNotFound
}

// neverSent: there was no connection to send anything on.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func backoff(attempt int) time.Duration {
	d := firstDelay << (attempt - 1)
	return d/2 + rand.N(d/2+1)
}

func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, drainLimit)
	_ = resp.Body.Close()
}

type debugTransport struct {
	next    http.RoundTripper
	headers bool

	mu  sync.Mutex // one line at a time
	out io.Writer
}

func (t *debugTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.next.RoundTrip(r)
	took := time.Since(start).Round(time.Millisecond)

	var b strings.Builder
	if err != nil {
		fmt.Fprintf(&b, "http: %s %s: %s (%s)\n", r.Method, redacted(r.URL), clean(err.Error()), took)
	} else {
		fmt.Fprintf(&b, "http: %s %s %d (%s)\n", r.Method, redacted(r.URL), resp.StatusCode, took)
	}
	if t.headers {
		dumpHeader(&b, "> ", r.Header)
		if err == nil {
			dumpHeader(&b, "< ", resp.Header)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.out, b.String())
	return resp, err
}

func dumpHeader(b *strings.Builder, prefix string, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := clean(strings.Join(h[name], ", "))
		if secretName(name) {
			value = "[redacted]"
		}
		fmt.Fprintf(b, "http: %s%s: %s\n", prefix, name, value)
	}
}

// secretName says that a header or parameter may hold a secret. It errs on the
// side of silence: functions have tokens of their own.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"auth", "cookie", "credential", "key", "passw", "secret", "sig", "token"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
