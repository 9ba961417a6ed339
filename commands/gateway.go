package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"unicode"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/credentials"
	"github.com/faas-cli/faas-cli/local"
)

// gatewayClient returns a client of the gateway that f and the stack file's
// gateway ("" for none) mean, with the credentials that belong to it:
//
//	--token
//	the local platform's own, once it has proved that it answers there
//	those saved by login
//	none, and no header either
func (e *Env) gatewayClient(f gatewayFlags, stackGateway string) (*gateway.Client, target, error) {
	if f.timeout < 0 {
		return nil, target{}, usagef("--timeout %s: want 0 or more", f.timeout)
	}
	t, err := e.resolveTarget(f, stackGateway)
	if err != nil {
		return nil, target{}, err
	}
	auth, err := e.authorizer(f, t)
	if err != nil {
		return nil, target{}, err
	}
	settings := t.tls()
	settings.NoVerify = settings.NoVerify || f.tlsNoVerify
	transport, err := withTLS(e.Transport, settings)
	if err != nil {
		return nil, target{}, err
	}
	gw := gateway.New(t.url, e.clientOver(transport), auth)
	if f.bounded {
		gw = gw.WithTimeout(f.timeout)
	}
	return gw, t, nil
}

// userAgent is how requests name this program.
func (e *Env) userAgent() string {
	version := e.Version
	if version == "" {
		version = "dev"
	}
	return "faas-cli/" + version
}

// httpClient returns a client over the process's one transport.
func (e *Env) httpClient() *http.Client { return e.clientOver(e.Transport) }

// clientOver stacks what all requests share on a transport: the process's one,
// or a copy of it with settings that are for one gateway only.
func (e *Env) clientOver(transport *http.Transport) *http.Client {
	o := gateway.TransportOptions{UserAgent: e.userAgent()}
	if e.debug() || e.get("OPENFAAS_DUMP_HTTP") == "true" {
		o.Debug = e.Term.Err
		o.DumpHeaders = e.get("OPENFAAS_DUMP_HTTP") == "true"
	}
	return &http.Client{Transport: gateway.NewTransport(transport, o)}
}

// credentialStore is where login keeps what it saves.
func (e *Env) credentialStore() (credentials.Store, error) {
	return credentials.Locate(e.Lookup, e.home(), e.Dir)
}

// authorizer decides which credentials go to t; nil: none.
func (e *Env) authorizer(f gatewayFlags, t target) (gateway.Authorizer, error) {
	if f.token != "" {
		if !sendable(f.token) {
			return nil, usagef("--token has a control character in it")
		}
		return gateway.BearerToken(f.token), nil
	}
	saved, err := e.savedAuthorizer(t)
	if err != nil || t.local == nil {
		return saved, err
	}
	return e.localAuthorizer(t, saved), nil
}

// savedAuthorizer returns what login saved for t, nil where that is nothing. A
// file that cannot be read is a warning: most gateways then say what is wrong.
func (e *Env) savedAuthorizer(t target) (gateway.Authorizer, error) {
	store, err := e.credentialStore()
	if err != nil {
		return nil, nil //nolint:nilerr // nowhere to look means nothing saved
	}
	entry, err := store.Lookup(t.url.String())
	switch {
	case errors.Is(err, credentials.ErrNoFile), errors.Is(err, credentials.ErrNoEntry):
		return nil, nil
	case err != nil:
		e.warnf("saved credentials are not used: %v", err)
		return nil, nil
	case entry.Auth == credentials.Basic:
		user, password, err := entry.UserPassword()
		if err != nil {
			return nil, fmt.Errorf("%w: log in again", err)
		}
		return gateway.BasicAuth(user, password), nil
	case entry.Token == "":
		return nil, nil
	case !sendable(entry.Token):
		return nil, fmt.Errorf("credentials saved for %s: the token has a control character in it: save another", entry.Gateway)
	}
	return gateway.BearerToken(entry.Token), nil
}

// sendable says whether a token can be put into a header. The transport would
// not send it either, but take that for a gateway that is away.
func sendable(token string) bool { return !strings.ContainsFunc(token, unicode.IsControl) }

// localAuthorizer sends the local platform's password to whoever answers at
// its address and knows its secret, and what is saved for the address to
// anybody else; it fails when nobody answers. The question is asked once, with
// the first request.
func (e *Env) localAuthorizer(t target, saved gateway.Authorizer) gateway.Authorizer {
	var once sync.Once
	var silent error
	chosen := saved
	return gateway.AuthorizerFunc(func(r *http.Request) error {
		once.Do(func() {
			proven, err := e.provenLocal(r.Context(), t)
			silent = err
			if !proven {
				return // something else has the port
			}
			if user, password, err := t.local.Credentials(); err == nil {
				chosen = gateway.BasicAuth(user, password)
			}
		})
		if silent != nil || chosen == nil {
			return silent
		}
		return chosen.Authorize(r)
	})
}

// proofClient asks a listener on this machine, so no proxy is in between.
func (e *Env) proofClient() *http.Client {
	transport := e.Transport.Clone()
	transport.Proxy = nil
	return &http.Client{Transport: transport}
}

// provenLocal says whether t is this user's running local platform: images are
// handed to it instead of a registry. The error is [local.ErrSilent]: a platform
// that is slow to answer is not to be taken for something else.
func (e *Env) provenLocal(ctx context.Context, t target) (bool, error) {
	if t.local == nil {
		return false, nil
	}
	err := t.local.Prove(ctx, e.proofClient())
	if errors.Is(err, local.ErrSilent) {
		return false, err
	}
	return err == nil, nil
}

// identityToken returns the token that can be exchanged for one of a function:
// --token, or one that login or a plugin has saved. Empty: there is none.
func (e *Env) identityToken(f gatewayFlags, t target) string {
	if f.token != "" {
		return f.token
	}
	store, err := e.credentialStore()
	if err != nil {
		return ""
	}
	entry, err := store.Lookup(t.url.String())
	if err != nil || entry.Auth != credentials.OAuth2 {
		return ""
	}
	return entry.Token
}
