package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"cuelabs.dev/go/oci/ociregistry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// rangeGiven is the context key that tells PushBlobChunkedResume whether the
// request had a Content-Range: the library says 0 when it had none.
type rangeGiven struct{}

// correct stands before the library's handler where that one does not answer as
// the specification's conformance suite wants.
func (s *Store) correct(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ref, ok := strings.Cut(r.URL.Path, "/manifests/"); ok {
			if err := checkManifest(w, r, ref); err != nil {
				writeError(w, r, err)
				return
			}
		}
		if strings.HasPrefix(r.Header.Get("Range"), "bytes=-") {
			r.Header.Del("Range") // the whole blob is a valid answer too
		}
		if q := r.URL.Query(); r.Method == http.MethodPost && q.Has("mount") {
			if h, err := v1.NewHash(q.Get("mount")); err != nil || !s.hasBlob(h) {
				r.URL.RawQuery = "" // what cannot be mounted is uploaded
			}
		}
		if r.Header.Get("Content-Range") != "" {
			r = r.WithContext(context.WithValue(r.Context(), rangeGiven{}, true))
		}
		if r.URL.Path == "/v2/_catalog" || strings.HasSuffix(r.URL.Path, "/tags/list") {
			w = listWriter{w}
		}
		next.ServeHTTP(w, r)
	})
}

// listWriter passes on a list as the library writes it, in one piece, except
// that one without items is empty, not null.
type listWriter struct{ http.ResponseWriter }

// WriteHeader leaves the length to the server.
func (w listWriter) WriteHeader(status int) {
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(status)
}

func (w listWriter) Write(p []byte) (int, error) {
	list, none := bytes.CutSuffix(p, []byte(":null}"))
	if !none {
		return w.ResponseWriter.Write(p)
	}
	if _, err := w.ResponseWriter.Write(slices.Concat(list, []byte(":[]}"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func isDigest(s string) bool {
	_, err := toHash(ociregistry.Digest(s))
	return err == nil
}

// checkManifest refuses a request for a manifest that the library would blame
// on itself, or look up.
func checkManifest(w http.ResponseWriter, r *http.Request, ref string) error {
	switch {
	case strings.Contains(ref, ":") && !isDigest(ref):
		return ociregistry.ErrDigestInvalid
	case r.Method == http.MethodPut:
		return readManifest(w, r)
	}
	return nil
}

// readManifest reads the request's body, which the library would do anyway,
// so that one that is too large or no JSON is the client's fault.
func readManifest(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		return err
	}
	if !json.Valid(body) {
		return fmt.Errorf("%w: not JSON", ociregistry.ErrManifestInvalid)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}
