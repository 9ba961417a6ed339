// Package gateway speaks the REST API of an OpenFaaS gateway.
//
// Every method of [Client] names its operation in the errors it returns; an
// answer that is not 2xx, or none at all, is an [*Error]. Nothing here prints,
// reads the environment or keeps state between calls.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultTimeout bounds one call of the control plane, answer included.
	// Streams (logs, invocations) have no bound but their context.
	DefaultTimeout = 60 * time.Second

	// drainLimit is how much of an unneeded answer is read so that its
	// connection can be used again; a longer one costs a new connection.
	drainLimit = 64 << 10
)

// Client talks to one gateway. It is safe for concurrent use.
type Client struct {
	base    *url.URL // without user information
	hc      *http.Client
	auth    Authorizer
	timeout time.Duration
}

// New returns a client of the gateway at base, whose path is kept in front of
// every endpoint. hc brings the transport (see [NewTransport]); its redirect
// policy is replaced and it should have no Timeout, which would cut streams.
// auth puts credentials on control-plane requests; nil: those in base, if any.
func New(base *url.URL, hc *http.Client, auth Authorizer) *Client {
	b := *base
	if auth == nil && b.User != nil {
		password, _ := b.User.Password()
		auth = BasicAuth(b.User.Username(), password)
	}
	b.User, b.RawQuery, b.Fragment = nil, "", ""
	h := *hc
	h.CheckRedirect = checkRedirect
	return &Client{base: &b, hc: &h, auth: auth, timeout: DefaultTimeout}
}

// WithTimeout returns a client whose control-plane calls may take d each; 0
// means no bound but their context.
func (c *Client) WithTimeout(d time.Duration) *Client {
	d2 := *c
	d2.timeout = d
	return &d2
}

// WithAuth returns a client with other credentials, or none.
func (c *Client) WithAuth(auth Authorizer) *Client {
	d := *c
	d.auth = auth
	return &d
}

// BaseURL is the gateway's address, without credentials or a final slash.
func (c *Client) BaseURL() string { return strings.TrimRight(c.base.String(), "/") }

// FunctionURL is where a function is invoked. An empty namespace leaves the
// choice to the gateway.
func (c *Client) FunctionURL(name, namespace string) string {
	return c.base.JoinPath("function", url.PathEscape(qualified(name, namespace))).String()
}

// AsyncURL is where a function is invoked through the queue.
func (c *Client) AsyncURL(name, namespace string) string {
	return c.base.JoinPath("async-function", url.PathEscape(qualified(name, namespace))).String()
}

func qualified(name, namespace string) string {
	if namespace == "" {
		return name
	}
	return name + "." + namespace
}

// checkName refuses what would address something else once it is part of a
// path. Routes of the servers accept exactly these characters.
func checkName(kind, name string) error {
	ok := name != "" && name != "." && name != ".."
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}
	if !ok {
		return &NameError{Kind: kind, Name: name}
	}
	return nil
}

// call is one request of the control plane.
type call struct {
	op        string // what it does, for errors: "list functions"
	method    string
	path      string // below the base; elements from users are escaped by the caller
	query     url.Values
	body      any        // sent as JSON unless nil
	form      url.Values // sent as a form unless nil
	poll      bool       // the caller repeats it: no retry below
	noFollow  bool       // a redirect is an answer
	anonymous bool       // sent without credentials

	head func(http.Header) // hears the head of a 2xx answer; nil: it does not matter
}

// do sends the call and hands the body of a 2xx answer to read; nil means that
// the body does not matter. It is the one place where a status is judged.
func (c *Client) do(ctx context.Context, k call, read func(io.Reader) error) (Accepted, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, timeoutError(c.timeout))
		defer cancel()
	}
	resp, err := c.send(ctx, k)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if k.head != nil {
		k.head(resp.Header)
	}
	body := &errReader{r: resp.Body}
	if read != nil {
		err = read(body)
	}
	if err == nil {
		_, _ = io.CopyN(io.Discard, body, drainLimit) // body remembers its error
		err = body.err
	}
	if err == nil {
		return Accepted(resp.StatusCode), nil
	}
	e := &Error{Op: k.op, URL: redacted(resp.Request.URL), Status: resp.StatusCode}
	switch {
	case ctx.Err() != nil:
		e.Err = context.Cause(ctx)
	case body.err != nil:
		e.Err = fmt.Errorf("%w: %w", ErrConnectionLost, body.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Err = fmt.Errorf("%w: it ends too early", ErrMalformed)
	default:
		e.Err = fmt.Errorf("%w: %w", ErrMalformed, shape(err))
	}
	return 0, e
}

// shape says in words of the API what the decoder says in words of Go.
func shape(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return err
	case wrong.Field == "":
		return &shapeError{"JSON of another shape: " + wrong.Value}
	}
	return &shapeError{fmt.Sprintf("JSON of another shape: %s as %q", wrong.Value, wrong.Field)}
}

// send returns a 2xx answer with its body still to be read.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	u := c.base.JoinPath(k.path)
	u.RawQuery = k.query.Encode()
	body, contentType, err := k.content()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.op, err)
	}
	reqCtx := ctx
	if k.poll {
		reqCtx = WithoutRetry(reqCtx)
	}
	if k.noFollow {
		reqCtx = context.WithValue(reqCtx, noFollowKey{}, true)
	}
	req, err := http.NewRequestWithContext(reqCtx, k.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.op, err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.auth != nil && !k.anonymous {
		if err := c.auth.Authorize(req); err != nil {
			return nil, fmt.Errorf("%s: %w", k.op, err)
		}
	}
	resp, err := c.hc.Do(req)
	if err != nil {
		return nil, &Error{Op: k.op, URL: redacted(u), Err: failure(ctx, err)}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, answerError(k.op, resp)
}

func (k call) content() (body io.Reader, contentType string, err error) {
	switch {
	case k.form != nil:
		return strings.NewReader(k.form.Encode()), "application/x-www-form-urlencoded", nil
	case k.body != nil:
		text, err := json.Marshal(k.body)
		return bytes.NewReader(text), "application/json", err
	}
	return nil, "", nil
}

// decode reads one JSON value as the whole of the answer.
func decode(v any) func(io.Reader) error {
	return func(body io.Reader) error { return json.NewDecoder(body).Decode(v) }
}

// decodeList reads a JSON list element by element, so that its text is never
// in memory as a whole. null counts as an empty list, and so does an empty
// body if allowEmpty is set.
func decodeList[T any](list *[]T, allowEmpty bool) func(io.Reader) error {
	return func(body io.Reader) error {
		*list = []T{} // never "null" when it is printed
		dec := json.NewDecoder(body)
		t, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF) && allowEmpty:
			return nil
		case errors.Is(err, io.EOF):
			return &shapeError{"an empty body instead of a list"}
		case err != nil:
			return err
		case t == nil:
			return nil
		case t != json.Delim('['):
			return &shapeError{"no list"}
		}
		for dec.More() {
			var v T
			if err := dec.Decode(&v); err != nil {
				return err
			}
			*list = append(*list, v)
		}
		_, err = dec.Token()
		return err
	}
}

type noFollowKey struct{}

// maxRedirects is the limit of net/http, which a policy of our own replaces.
const maxRedirects = 10

// checkRedirect follows redirects only where that means the same: not where a
// write would silently become a GET, and with credentials only to the server
// they are meant for. The body of a write may be one itself (a secret, a token
// to exchange, an environment), so writes stay at their server. net/http
// compares host names alone, so that another port of the same machine would
// get all that.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Context().Value(noFollowKey{}) != nil {
		return http.ErrUseLastResponse
	}
	_, invoked := first.Context().Value(invocationKey{}).(bool)
	if !invoked && req.Method != first.Method {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if !sameServer(first.URL, req.URL) {
		if !invoked && req.Method != http.MethodGet && req.Method != http.MethodHead {
			return http.ErrUseLastResponse
		}
		for _, h := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Www-Authenticate"} {
			req.Header.Del(h)
		}
	}
	return nil
}

// sameServer reports whether to is the server of from, or its HTTPS twin.
func sameServer(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	if from.Scheme == to.Scheme {
		return port(from) == port(to)
	}
	return to.Scheme == "https" && port(from) == "80" && port(to) == "443"
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
