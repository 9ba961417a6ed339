package builder

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestPushWaitsAsLongAsTheRegistrySays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		after  string
		want   time.Duration
	}{
		{http.StatusTooManyRequests, "7", 7 * time.Second},
		{http.StatusServiceUnavailable, "2", 2 * time.Second},
		{http.StatusTooManyRequests, "86400", mostPatience},
		{http.StatusTooManyRequests, "", 0},
		{http.StatusTooManyRequests, "-3", 0},
		{http.StatusOK, "7", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			res, err := patient{roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {c.after}}, Body: http.NoBody}, nil
			})}.RoundTrip(request(t.Context(), t))
			if err != nil || res.StatusCode != c.status || time.Since(start) != c.want {
				t.Errorf("%d, Retry-After %q: %v after %v; want %v", c.status, c.after, err, time.Since(start), c.want)
			}
		})
	}
}

func TestPushDoesNotOutwaitItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stopped)
		defer cancel()
		_, err := patient{roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}, Body: http.NoBody}, nil
		})}.RoundTrip(request(ctx, t))
		if !errors.Is(err, stopped) {
			t.Errorf("error = %v", err)
		}
	})
}

func request(ctx context.Context, t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/v2/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestPushDoesNotWaitToTryAgainWhenInterrupted(t *testing.T) {
	t.Parallel()
	store := storedImage(t, "127.0.0.1:1/me/fn:1")
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithTimeoutCause(t.Context(), pushWait/2, stopped)
		defer cancel()
		p := Registry{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			status := http.StatusInternalServerError
			switch {
			case req.URL.Path == "/v2/":
				status = http.StatusOK
			case req.Method == http.MethodHead:
				status = http.StatusNotFound
			}
			return &http.Response{StatusCode: status, Request: req, Body: http.NoBody}, nil
		})}
		start := time.Now()
		if _, err := p.PushStored(ctx, store, "127.0.0.1:1/me/fn:1", nil, nil); !errors.Is(err, stopped) {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(start); took != pushWait/2 {
			t.Errorf("it ended after %v; want %v", took, pushWait/2)
		}
	})
}
