package local

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// guard stands before every handler of a listener. It answers only requests that name the listener, so that no web
// page reaches it under a name of its own (DNS rebinding), and none that a browser sends on behalf of another site.
type guard struct {
	hosts   []string // HOST:PORT, lower case
	control *http.CrossOriginProtection
	calls   *http.CrossOriginProtection // with the origins that may call functions
	origins []string
}

func newGuard(hosts, origins []string) (*guard, error) {
	g := &guard{hosts: hosts, control: http.NewCrossOriginProtection(), calls: http.NewCrossOriginProtection()}
	for _, origin := range origins {
		if err := CheckOrigin(origin); err != nil {
			return nil, err
		}
		if err := g.calls.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
		g.origins = append(g.origins, origin)
	}
	return g, nil
}

// CheckOrigin says whether s is the origin of a web page, SCHEME://HOST[:PORT].
func CheckOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != s {
		return fmt.Errorf("origin %q is not of the form http://HOST[:PORT]", s)
	}
	return nil
}

// listenerHosts are what requests to a listener on port may name.
func listenerHosts(names []string, port string) []string {
	var hosts []string
	for _, n := range names {
		hosts = append(hosts, n+":"+port)
		if port == "80" {
			hosts = append(hosts, n)
		}
	}
	return hosts
}

// wrap puts the guard before next.
func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(g.hosts, strings.ToLower(r.Host)) {
			refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("this is not %q", r.Host))
			return
		}
		if !isCall(r.URL.Path) {
			if err := g.control.Check(r); err != nil {
				refuse(w, http.StatusForbidden, err.Error())
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		if err := CheckSite(g.calls, r); err != nil {
			refuse(w, http.StatusForbidden, err.Error())
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(g.origins, origin) {
			if preflight(w, r, origin) {
				return
			}
			w = &corsWriter{ResponseWriter: w, origin: origin}
		}
		next.ServeHTTP(w, r)
	})
}

// isCall says whether the path leads to functions.
func isCall(path string) bool {
	return strings.HasPrefix(path, functionPrefix) || strings.HasPrefix(path, asyncPrefix)
}

// CheckSite is the cross-origin check for functions. The package's own lets GET pass, as it has no effect on servers
// that keep to the standard; what a function does on GET nobody knows, so it is held to the same rule as POST.
func CheckSite(p *http.CrossOriginProtection, r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		r = r.WithContext(r.Context()) // a shallow copy
		r.Method = http.MethodPost
	}
	return p.Check(r)
}

// preflight answers a browser that asks whether a page may call a function.
func preflight(w http.ResponseWriter, r *http.Request, origin string) bool {
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", method)
	if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	h.Set("Vary", "Origin")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// corsWriter lets the page of an allowed origin read the answer, unless the function said itself who may.
type corsWriter struct {
	http.ResponseWriter
	origin string
	done   bool
}

func (w *corsWriter) allow() {
	if w.done {
		return
	}
	w.done = true
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") == "" {
		h.Set("Access-Control-Allow-Origin", w.origin)
		h.Add("Vary", "Origin")
	}
}

func (w *corsWriter) WriteHeader(code int) {
	w.allow()
	w.ResponseWriter.WriteHeader(code)
}

func (w *corsWriter) Write(b []byte) (int, error) {
	w.allow()
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush and hijack.
func (w *corsWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// withPassword lets only requests with the platform's credentials pass.
func withPassword(password string, next http.Handler) http.Handler {
	wantUser, wantPassword := sha256.Sum256([]byte(User)), sha256.Sum256([]byte(password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		gotUser, gotPassword := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(pass)) // of one length, whatever comes
		if subtle.ConstantTimeCompare(gotUser[:], wantUser[:])&subtle.ConstantTimeCompare(gotPassword[:], wantPassword[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Restricted"`)
			refuse(w, http.StatusUnauthorized, "invalid credentials")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers with an error: its text, without a line end, as gateways do.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
