package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Invocation is one call of a function.
type Invocation struct {
	Name      string // of the function
	Namespace string // empty: the gateway's default
	Path      string // below the function, escaped: "/orders/7"
	Query     url.Values
	Method    string // empty: POST
	Header    http.Header

	// Body is streamed; nil means none. ContentLength is its size in bytes: 0
	// of a body that is not nil, or -1, means unknown, which is sent chunked.
	Body          io.Reader
	ContentLength int64
	// GetBody gives the body once more for a redirect that keeps the method. nil:
	// such a redirect is returned as the answer.
	GetBody func() (io.ReadCloser, error)

	Async bool   // through the queue: answered 202 at once
	Token string // access token of the function itself; see [Client.FunctionToken]
}

type invocationKey struct{}

// Invoke calls a function and returns whatever it answers, also an error
// status; an error means that there is no answer. The caller closes the body.
// Credentials of the control plane are never sent, nothing is retried, and
// only ctx bounds it.
func (c *Client) Invoke(ctx context.Context, r Invocation) (*http.Response, error) {
	if err := checkName("function", r.Name); err != nil {
		return nil, err
	}
	if r.Namespace != "" {
		if err := checkName("namespace", r.Namespace); err != nil {
			return nil, err
		}
	}
	op := fmt.Sprintf("invoke %q", r.Name)
	u := c.invocationURL(r)
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	ctx2 := context.WithValue(WithoutRetry(ctx), invocationKey{}, true)
	req, err := http.NewRequestWithContext(ctx2, method, u.String(), r.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if r.ContentLength != 0 {
		req.ContentLength = r.ContentLength
	}
	if r.GetBody != nil {
		req.GetBody = r.GetBody
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	resp, err := c.hc.Do(req)
	if err != nil {
		return nil, &Error{Op: op, URL: redacted(u), Err: failure(ctx, err)}
	}
	return resp, nil
}

// InvocationError describes an answer of [Client.Invoke] that is not the one
// hoped for. It reads part of the body and closes it.
func InvocationError(r Invocation, resp *http.Response) *Error {
	defer resp.Body.Close()
	return answerError(fmt.Sprintf("invoke %q", r.Name), resp)
}

// BrokenAnswer describes an answer of [Client.Invoke] whose body could not be
// read to its end because of err.
func BrokenAnswer(r Invocation, resp *http.Response, err error) *Error {
	return &Error{
		Op: fmt.Sprintf("invoke %q", r.Name), URL: redacted(resp.Request.URL), Status: resp.StatusCode,
		Err: fmt.Errorf("%w: %w", ErrConnectionLost, err),
	}
}

func (c *Client) invocationURL(r Invocation) *url.URL {
	route := "function"
	if r.Async {
		route = "async-function"
	}
	// Cleaned on its own first, so that no ".." leaves the function.
	below := (&url.URL{Path: "/"}).JoinPath(r.Path)
	u := c.base.JoinPath(route, url.PathEscape(qualified(r.Name, r.Namespace)))
	if r.Path != "" && r.Path != "/" {
		u = u.JoinPath(below.EscapedPath())
	}
	u.RawQuery = r.Query.Encode()
	return u
}
