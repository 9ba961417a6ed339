//go:build e2e

package gateway_test

import (
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaysuite"
)

// TestSuiteAgainstARealGateway wants OPENFAAS_E2E_URL, with user and password
// in it, and OPENFAAS_E2E_IMAGE, whose function's answer holds its request's
// body.
func TestSuiteAgainstARealGateway(t *testing.T) {
	address, image := os.Getenv("OPENFAAS_E2E_URL"), os.Getenv("OPENFAAS_E2E_IMAGE")
	base, err := url.Parse(address)
	if err != nil || base.User == nil || image == "" {
		t.Fatal("set OPENFAAS_E2E_URL=http://USER:PASSWORD@HOST:PORT and OPENFAAS_E2E_IMAGE")
	}
	gatewaysuite.Run(t, gatewaysuite.Target{
		Client:  client(t, address, nil).WithTimeout(time.Minute),
		Refused: client(t, address, gateway.BasicAuth(base.User.Username(), "not the password")),
		Image:   image, Ready: 2 * time.Minute,
	})
}
