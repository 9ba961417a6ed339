package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What an [*Error] is, for errors.Is.
var (
	// ErrNotFound: the gateway answered 404.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the gateway answered 409; what was to be created exists.
	ErrConflict = errors.New("already exists")
	// ErrUnauthorized: the gateway answered 401 or 403, or would not exchange a
	// token; credentials are missing, wrong or not enough.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnreachable: there was no answer at all.
	ErrUnreachable = errors.New("gateway unreachable")
	// ErrUntrusted: the gateway's certificate was not accepted. Such an error
	// is ErrUnreachable too.
	ErrUntrusted = errors.New("certificate not trusted")
	// ErrTimeout: the answer was not complete in time.
	ErrTimeout = errors.New("timeout")
	// ErrMalformed: the answer is 2xx but not what the API promises.
	ErrMalformed = errors.New("unexpected answer")
)

// NameError is a name that cannot be part of a path of the API. Nothing was
// sent.
type NameError struct {
	Kind string // "function" or "namespace"
	Name string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("invalid %s name %q: it may only have letters, digits, '-', '_' and '.'", e.Kind, e.Name)
}

// messageLimit bounds the text taken from a server's error, in bytes.
const messageLimit = 4 << 10

// Error is a call that the gateway refused, or did not answer.
type Error struct {
	Op      string // what was tried, and on what: `deploy "figlet"`
	URL     string // of the request, without credentials
	Status  int    // HTTP status; 0: no answer
	Message string // the server's text, on one line, at most 4 KiB, free of control characters

	// RetryAfter is how long the server asks to wait; 0 where it does not say.
	RetryAfter time.Duration
	// Location is where the server sends us instead, without credentials, if
	// the answer is a redirect that was not followed.
	Location string

	// Err is why there is no usable answer; nil where Status tells all.
	Err error

	unauthorized bool // whatever Status says
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	switch {
	case e.Err != nil && errors.Is(e.Err, ErrUnreachable):
		fmt.Fprintf(&b, ": gateway unreachable at %s: %s", e.URL, clean(unwrapUnreachable(e.Err).Error()))
	case e.Err != nil:
		fmt.Fprintf(&b, ": %s: %s", e.URL, clean(e.Err.Error()))
	default:
		fmt.Fprintf(&b, ": %s answered %d", e.URL, e.Status)
		if text := http.StatusText(e.Status); text != "" {
			b.WriteString(" " + text)
		}
		if e.Location != "" {
			b.WriteString(" to " + e.Location)
		}
		if e.Message != "" && !strings.EqualFold(e.Message, http.StatusText(e.Status)) {
			b.WriteString(": " + e.Message)
		}
	}
	return b.String()
}

// Unwrap returns the reason why there is no usable answer, if that is known.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the sentinels of this package by status.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrUnauthorized:
		return e.unauthorized || e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	}
	return false
}

// answerError describes an answer that is not 2xx and reads, but does not
// close, its body.
func answerError(op string, resp *http.Response) *Error {
	e := &Error{Op: op, URL: redacted(resp.Request.URL), Status: resp.StatusCode}
	e.RetryAfter = retryAfter(resp.Header)
	if loc, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		e.Location = redacted(loc)
	}
	// The status is the news; a text that breaks off is still worth showing.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, messageLimit))
	e.Message = message(resp.Header.Get("Content-Type"), string(text))
	return e
}

// message makes the text of an error presentable. A page meant for browsers,
// as proxies send it, is reduced to its title.
func message(contentType, text string) string {
	if strings.Contains(contentType, "html") || strings.HasPrefix(strings.TrimSpace(text), "<") {
		lower := strings.ToLower(text)
		if len(lower) != len(text) { // the few letters whose cases differ in length
			return ""
		}
		start := strings.Index(lower, "<title>")
		end := strings.Index(lower, "</title>")
		if start < 0 || end < start {
			return ""
		}
		text = text[start+len("<title>") : end]
	}
	return clean(text)
}

// clean puts text on one line and takes out what could steer a terminal.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// redacted is a URL that may be shown: without user, password and the values
// of parameters that are secrets by their name.
func redacted(u *url.URL) string {
	v := *u
	v.User, v.Fragment = nil, ""
	if v.RawQuery != "" {
		parts := strings.Split(v.RawQuery, "&")
		for i, part := range parts {
			key, value, _ := strings.Cut(part, "=")
			if name, err := url.QueryUnescape(key); value != "" && (err != nil || secretName(name)) {
				parts[i] = key + "=[redacted]"
			}
		}
		v.RawQuery = strings.Join(parts, "&")
	}
	return v.String()
}

// unreachable marks an error of the transport as [ErrUnreachable].
type unreachable struct{ err error }

func (u unreachable) Error() string   { return ErrUnreachable.Error() + ": " + u.err.Error() }
func (u unreachable) Unwrap() []error { return []error{ErrUnreachable, u.err} }

func unwrapUnreachable(err error) error {
	var u unreachable
	if errors.As(err, &u) {
		return u.err
	}
	return err
}

// failure is why a request has no answer.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // its text repeats the method and the URL
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		err = fmt.Errorf("%w: %w", ErrUntrusted, certificate.Err)
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("connection closed without an answer")
	}
	return unreachable{err}
}

// timeoutError is the cause of a context that ends by the call's own bound.
type timeoutError time.Duration

func (t timeoutError) Error() string {
	return "no complete answer within " + time.Duration(t).String()
}
func (t timeoutError) Timeout() bool   { return true }
func (t timeoutError) Temporary() bool { return true }
func (t timeoutError) Is(target error) bool {
	return target == ErrTimeout || target == context.DeadlineExceeded
}

var _ net.Error = timeoutError(0)

// shapeError is JSON that is valid but not what it should be.
type shapeError struct{ got string }

func (e *shapeError) Error() string { return e.got }

// retryAfter reads the header of that name, in seconds or as a date; 0 when
// there is none that can be read.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.Atoi(text); err == nil && s >= 0 {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
