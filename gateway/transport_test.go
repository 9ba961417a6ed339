package gateway_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/schema"
)

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRetryOnlyWhereSafe counts the attempts at requests that always fail, and
// the time they take together.
func TestRetryOnlyWhereSafe(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, method string
		status       int
		header       string
		poll         bool
		want         int
		least        time.Duration
	}{
		{"GET 503", "GET", 503, "", false, 3, 150 * time.Millisecond},
		{"GET 502", "GET", 502, "", false, 3, 0},
		{"GET 500", "GET", 500, "", false, 1, 0},
		{"GET 404", "GET", 404, "", false, 1, 0},
		{"PUT 503", "PUT", 503, "", false, 3, 0},
		{"PUT 502", "PUT", 502, "", false, 1, 0},
		{"DELETE 429 with Retry-After", "DELETE", 429, "2", false, 3, 4 * time.Second},
		{"GET 429 with a long Retry-After", "GET", 429, "3600", false, 1, 0},
		{"POST 503", "POST", 503, "", false, 1, 0},
		{"poll", "GET", 503, "", true, 1, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := 0
				tr := gateway.NewTransport(roundTripperFunc(func(r *http.Request) (*http.Response, error) {
					got++
					return &http.Response{
						StatusCode: tc.status, Body: http.NoBody, Header: http.Header{"Retry-After": {tc.header}}, Request: r,
					}, nil
				}), gateway.TransportOptions{})
				ctx := t.Context()
				if tc.poll {
					ctx = gateway.WithoutRetry(ctx)
				}
				req, _ := http.NewRequestWithContext(ctx, tc.method, "http://gw/system/functions", strings.NewReader("{}"))
				start := time.Now()
				resp, err := tr.RoundTrip(req)
				if err != nil || resp.StatusCode != tc.status {
					t.Fatalf("RoundTrip = %v, %v", resp, err)
				}
				if took := time.Since(start); got != tc.want || took < tc.least {
					t.Errorf("%d attempts in %s; want %d in at least %s", got, took, tc.want, tc.least)
				}
			})
		})
	}
}

// TestRetrySendsTheBodyAgain: the second attempt is not empty (KB-83 has the same root).
func TestRetrySendsTheBodyAgain(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	s.Inject(gatewaytest.Fault{Method: "PUT", Times: 2, Handler: gatewaytest.Reply(503, "busy")})
	if _, err := client(t, s.URL, nil).Deploy(t.Context(), schema.FunctionDeployment{Service: "a", Image: "r/a:1"}); err != nil {
		t.Fatal(err)
	}
	r := s.Requests()
	if len(r) != 4 || r[2].Body != r[0].Body || r[2].Body == "" {
		t.Errorf("%d requests, third %q; want three PUT with the same body and a POST", len(r), r[2].Body)
	}
}

func TestRetryAfterTransportErrors(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	s.Inject(gatewaytest.Fault{Times: 1, Handler: gatewaytest.Drop()})
	if _, err := client(t, s.URL, nil).Functions(t.Context(), ""); err != nil {
		t.Errorf("a GET after a dropped connection: %v; want success", err)
	}
	s.Inject(gatewaytest.Fault{Method: "DELETE", Times: 1, Handler: gatewaytest.Drop()})
	if err := client(t, s.URL, nil).Delete(t.Context(), "a", ""); !errors.Is(err, gateway.ErrUnreachable) {
		t.Errorf("a DELETE that may have been carried out: %v; want no second attempt", err)
	}
}

// TestDebugLinesHideSecrets: whatever is logged, credentials and the values of secrets are not (KB-7).
func TestDebugLinesHideSecrets(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{User: "admin", Password: "hunter2"})
	base, _ := url.Parse(s.URL)
	var log strings.Builder
	hc := &http.Client{Transport: gateway.NewTransport(&http.Transport{DisableKeepAlives: true}, gateway.TransportOptions{
		Debug: &log, DumpHeaders: true,
	})}
	c := gateway.New(base, hc, gateway.BasicAuth("admin", "hunter2"))
	if _, err := c.CreateSecret(t.Context(), schema.Secret{Name: "api", Value: "s3cret-value"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.FunctionToken(t.Context(), "id-token-value", "f", "ns"); err != nil {
		t.Fatal(err)
	}
	got := log.String()
	for _, part := range []string{"http: POST " + s.URL + "/system/secrets 202 (", "Authorization: [redacted]"} {
		if !strings.Contains(got, part) {
			t.Errorf("debug output lacks %q:\n%s", part, got)
		}
	}
	for _, secret := range []string{"hunter2", "s3cret-value", "id-token-value", "YWRtaW46aHVudGVyMg=="} {
		if strings.Contains(got, secret) {
			t.Errorf("debug output shows %q:\n%s", secret, got)
		}
	}
	if body := s.Requests()[0].Body; !strings.Contains(body, "s3cret-value") {
		t.Errorf("the body was lost on the way: %q", body)
	}
}

// TestURLsHideSecrets: a signed URL is not shown, neither in errors nor in
// debug lines.
func TestURLsHideSecrets(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	base, _ := url.Parse(s.URL)
	var log strings.Builder
	hc := &http.Client{Transport: gateway.NewTransport(&http.Transport{DisableKeepAlives: true}, gateway.TransportOptions{Debug: &log})}
	r := gateway.Invocation{Name: "nope", Query: url.Values{"page": {"2"}, "api_key": {"hunter2"}, "X-Sig": {"hunter2"}}}
	resp, err := gateway.New(base, hc, nil).Invoke(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{gateway.InvocationError(r, resp).Error(), gateway.BrokenAnswer(r, resp, io.ErrUnexpectedEOF).Error(), log.String()} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "X-Sig=[redacted]&api_key=[redacted]&page=2") {
			t.Errorf("it is shown as %s", text)
		}
	}
}
