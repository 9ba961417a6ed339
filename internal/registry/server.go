package registry

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// ServerOptions are what a registry server needs to know.
type ServerOptions struct {
	// User and Password are wanted of every request, reads included. A server
	// without a password answers nobody.
	User, Password string
}

// Handler serves the store as an OCI registry: the distribution API, version
// 1.1, at /v2/. The repository me/fn of the registry is what the store calls
// me/fn, so that what other tools push can be deployed and what was built here
// can be pulled.
//
// It belongs on a loopback listener of its own. Requests must name that
// listener in their Host header and must not come from another site's page;
// uploads are streamed to disk and survive a restart; deleting blobs is left to
// the collector.
func (s *Store) Handler(o ServerOptions) http.Handler {
	api := ociserver.New(&backend{s: s}, &ociserver.Options{WriteError: writeError})
	return wantOwnHost(http.NewCrossOriginProtection().Handler(wantAuth(o, s.correct(api))))
}

// wantOwnHost answers only requests that name the listener that they came in
// by, so that no page can reach it under a name of its own (DNS rebinding).
func wantOwnHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if addr == nil || !slices.Contains(ownHosts(addr), strings.ToLower(r.Host)) {
			http.Error(w, "misdirected request: this registry is not "+r.Host, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ownHosts(addr net.Addr) []string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil
	}
	hosts := []string{net.JoinHostPort(host, port)}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		hosts = append(hosts, "localhost:"+port)
	}
	return hosts
}

// wantAuth lets only those in who know the password. Comparing digests takes
// the same time whatever is wrong.
func wantAuth(o ServerOptions, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(o.User + "\x00" + o.Password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got := sha256.Sum256([]byte(user + "\x00" + password))
		if o.Password == "" || subtle.ConstantTimeCompare(got[:], want[:]) == 0 {
			w.Header().Set("WWW-Authenticate", `Basic realm="faas-cli local registry"`)
			writeError(w, r, ociregistry.ErrUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// writeError answers in the form of the distribution specification. What went
// wrong on this side is not told in detail: it would name files.
func writeError(w http.ResponseWriter, _ *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	var known ociregistry.Error
	var status ociregistry.HTTPError
	switch {
	case errors.As(err, &tooLarge):
		err = ociregistry.NewHTTPError(errors.New("the manifest is too large"), http.StatusRequestEntityTooLarge, nil, nil)
	case isFull(err):
		err = ociregistry.NewHTTPError(errors.New("the registry's disk is full"), http.StatusInsufficientStorage, nil, nil)
	case errors.Is(err, errDigest):
		err = ociregistry.ErrDigestInvalid
	case errors.Is(err, errNoUpload):
		err = ociregistry.ErrBlobUploadUnknown
	case errors.Is(err, ociregistry.ErrUnsupported):
		err = ociregistry.NewHTTPError(ociregistry.ErrUnsupported, http.StatusMethodNotAllowed, nil, nil)
	case errors.As(err, &known), errors.As(err, &status):
	default:
		err = errors.New("the registry failed to read or write its files")
	}
	_ = ociregistry.WriteError(w, err) // fails only when the client has gone
}
