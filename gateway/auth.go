package gateway

import "net/http"

// An Authorizer puts credentials on a request of the control plane. It is
// called once per request, also concurrently, and is never asked about an
// invocation.
type Authorizer interface {
	Authorize(r *http.Request) error
}

// AuthorizerFunc makes a function an [Authorizer].
type AuthorizerFunc func(r *http.Request) error

// Authorize calls f.
func (f AuthorizerFunc) Authorize(r *http.Request) error { return f(r) }

// BasicAuth sends a user name and a password.
func BasicAuth(user, password string) Authorizer {
	return AuthorizerFunc(func(r *http.Request) error {
		r.SetBasicAuth(user, password)
		return nil
	})
}

// BearerToken sends an access token. It panics on an empty one: an
// "Authorization: Bearer" without a token is no credential, so the caller has
// nothing to send.
func BearerToken(token string) Authorizer {
	if token == "" {
		panic("gateway: empty bearer token")
	}
	return AuthorizerFunc(func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	})
}
