package builder

import (
	"context"
	"errors"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// Accounts are where credentials of registries are looked up, in order. A
// folder is read, and a helper run, only when a registry is pushed to, and
// only for that registry.
type Accounts engine.Accounts

var (
	_ authn.Keychain        = Accounts(nil)
	_ authn.ContextKeychain = Accounts(nil)
)

// Resolve fails: looking up may take a while, so that a context is needed.
func (a Accounts) Resolve(authn.Resource) (authn.Authenticator, error) {
	return nil, errors.New("look up credentials: no context given")
}

// ResolveContext returns the first account for the registry, or the anonymous
// one.
func (a Accounts) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	found, err := engine.Accounts(a).For(ctx, r.RegistryStr())
	if err != nil {
		return nil, err
	}
	if found == (engine.Auth{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: found.Username, Password: found.Password,
		IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
	}), nil
}
