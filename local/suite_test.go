//go:build unix

package local

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaysuite"
)

// TestSuite: the platform does what every gateway has to do.
func TestSuite(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	base, err := url.Parse(p.in.URL())
	if err != nil {
		t.Fatal(err)
	}
	user, password, err := p.in.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	hc := &http.Client{Transport: gateway.NewTransport(transport, gateway.TransportOptions{})}
	gatewaysuite.Run(t, gatewaysuite.Target{
		Client:  gateway.New(base, hc, gateway.BasicAuth(user, password)),
		Refused: gateway.New(base, hc, gateway.BasicAuth(user, "not the password")),
		Image:   "fn", Ready: time.Minute,
	})
}
