package gateway_test

import (
	"testing"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaysuite"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
)

// TestSuiteInMemory keeps the gateway that other tests rely on honest.
func TestSuiteInMemory(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{User: "admin", Password: "secret", PollsToReady: 2})
	gatewaysuite.Run(t, gatewaysuite.Target{
		Client:  client(t, s.URL, gateway.BasicAuth("admin", "secret")),
		Refused: client(t, s.URL, gateway.BasicAuth("admin", "wrong")),
		Image:   "ghcr.io/openfaas/echo:latest",
	})
}
