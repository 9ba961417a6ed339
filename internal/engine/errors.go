package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// Kinds of failure that a caller may have to tell apart, with [errors.Is].
var (
	ErrNotFound = errors.New("not found")           // no such image, container or network
	ErrConflict = errors.New("name already in use") // or a state that forbids the operation
	ErrDenied   = errors.New("denied")              // a registry wants an account, or does not allow it with this one
)

// An UnavailableError says that no engine can be used, or that the one in use went away.
type UnavailableError struct {
	Endpoint Endpoint // where it was looked for
	Err      error
}

func (e *UnavailableError) Error() string {
	where := e.Endpoint.Source
	if e.Endpoint.Host != "" {
		where = e.Endpoint.Host + ", " + where
	}
	return fmt.Sprintf("no container engine (%s): %v", where, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// IsUnavailable reports whether err says that there is no engine, or none any more.
func IsUnavailable(err error) bool {
	var u *UnavailableError
	return errors.As(err, &u)
}

// fail names the operation and gives the client's error one of our kinds.
func (c *Client) fail(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	case connectionLost(err):
		return fmt.Errorf("%s: %w", op, &UnavailableError{Endpoint: c.endpoint, Err: c.endpoint.reason(ctx, err)})
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w", op, &daemonError{kind: ErrNotFound, err: err})
	case errdefs.IsConflict(err):
		return fmt.Errorf("%s: %w", op, &daemonError{kind: ErrConflict, err: err})
	}
	return fmt.Errorf("%s: %w", op, &daemonError{err: err})
}

// said is an error that the engine reports within a stream, where there is nothing but its text. What a registry says
// about accounts begins with the error codes of the distribution specification; the third is the engine's own.
func said(text string) error {
	e := &daemonError{err: errors.New(text)}
	for _, denied := range []string{"unauthorized", "denied", "no basic auth credentials"} {
		if strings.HasPrefix(text, denied) {
			e.kind = ErrDenied
		}
	}
	return e
}

func connectionLost(err error) bool {
	var op *net.OpError
	return client.IsErrConnectionFailed(err) || errors.As(err, &op) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// daemonError is a refusal in the engine's words, without its preamble.
type daemonError struct {
	kind error // one of ours, or nil
	err  error
}

func (e *daemonError) Error() string {
	return strings.TrimPrefix(e.err.Error(), "Error response from daemon: ")
}

func (e *daemonError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.err}
	}
	return []error{e.kind, e.err}
}

// reason finds out why an engine cannot be reached. The client's own error asks whether the daemon
// runs; a connection attempt knows.
func (e Endpoint) reason(ctx context.Context, err error) error {
	u, perr := url.Parse(e.Host)
	if perr != nil || u.Scheme != "unix" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	conn, dialErr := d.DialContext(ctx, "unix", u.Path)
	if dialErr == nil {
		_ = conn.Close()
		return err
	}
	return dialErr
}
