package commands

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/credentials"
)

func newContextCmd(env *Env) *cobra.Command {
	return newGroupCmd("context", "Name gateways and switch between them",
		`Give gateways names, with a namespace and TLS settings, and switch between them.

A command uses, in this order: --gateway, --context or OPENFAAS_CONTEXT, the
stack file's gateway unless it is the default one, OPENFAAS_URL, the current
context, the local platform if it runs, http://127.0.0.1:8080.

The namespace is --namespace, or else the function's in the stack file, the
context's, OPENFAAS_NS, or none.`,
		"  faas-cli context add prod --gateway https://of.example.com --namespace shop\n  faas-cli context use prod",
		newContextAddCmd(env),
		newContextCurrentCmd(env),
		newContextListCmd(env),
		newContextRemoveCmd(env),
		newContextUseCmd(env),
	)
}

// contexts returns the user's named gateways.
func (e *Env) contexts() (credentials.Contexts, error) {
	store, err := e.credentialStore()
	if err != nil {
		return credentials.Contexts{}, nil //nolint:nilerr // nowhere to look means none
	}
	return store.Contexts()
}

// namedContext returns the context that --context or OPENFAAS_CONTEXT asks
// for, or nil.
func (e *Env) namedContext(f gatewayFlags) (*credentials.Context, error) {
	name, origin := f.context, "--context"
	if name == "" {
		name, origin = e.get("OPENFAAS_CONTEXT"), "OPENFAAS_CONTEXT"
	}
	if name == "" {
		return nil, nil
	}
	all, err := e.contexts()
	if err != nil {
		return nil, err
	}
	c, ok := all.Find(name)
	if !ok {
		return nil, withHint(usagef("%s: there is no context %q", origin, name), "%s", contextsHint(all))
	}
	return &c, nil
}

// currentContext finds the context that context use chose. Where the file
// cannot be read, commands that do not name a context work without.
func (e *Env) currentContext(c **credentials.Context) bool {
	all, err := e.contexts()
	if err != nil {
		e.warnf("contexts are not used: %v", err)
		return false
	}
	found, ok := all.Find(all.Current)
	*c = &found
	return ok
}

// contextsHint says which contexts there are.
func contextsHint(all credentials.Contexts) string {
	if len(all.Contexts) == 0 {
		return "there are none yet; faas-cli context add makes one"
	}
	names := make([]string, len(all.Contexts))
	for i, c := range all.Contexts {
		names[i] = c.Name
	}
	return "there are: " + strings.Join(names, ", ")
}

// withTLS returns a transport with the TLS settings of a context.
func withTLS(base *http.Transport, s credentials.TLS) (*http.Transport, error) {
	if s == (credentials.TLS{}) {
		return base, nil
	}
	t := base.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.InsecureSkipVerify = s.NoVerify //nolint:gosec // what the user asked for
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the CA: no certificate in %q", s.CAFile)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	if s.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// errNoContext says that context use has not been run.
var errNoContext = errors.New("there is no current context")
