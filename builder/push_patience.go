package builder

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// mostPatience is the longest that a registry may make a request wait.
const mostPatience = time.Minute

// patient waits for as long as a registry that is asked too often says, before
// the request is made again.
type patient struct{ next http.RoundTripper }

// RoundTrip makes the request once.
func (p patient) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := p.next.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return res, err
	}
	if err := pause(req.Context(), retryAfter(res.Header)); err != nil {
		_ = res.Body.Close() // nobody reads it
		return nil, err
	}
	return res, nil
}

// retryAfter is the time that the header Retry-After gives in seconds; a date,
// which registries do not send, counts as nothing.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, mostPatience)
}

// again says, after a wait, whether what failed is tried again. The waits of
// go-containerregistry itself do not end with ctx.
func again(ctx context.Context) func(error) bool {
	return func(err error) bool {
		return passes(err) && ctx.Err() == nil && pause(ctx, pushWait) == nil
	}
}

// passes says whether an error may be of the moment: a broken connection, or an
// answer that says so.
func passes(err error) bool {
	var moment interface{ Temporary() bool }
	if errors.As(err, &moment) && moment.Temporary() {
		return true
	}
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, net.ErrClosed},
		func(broken error) bool { return errors.Is(err, broken) })
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
