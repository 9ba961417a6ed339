package commands

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// callee is the function that a name on the command line stands for.
type callee struct {
	name      string
	namespace string
	path      string // escaped, with a leading slash, or empty
	query     url.Values
}

// parseCallee reads NAME[.NAMESPACE][/PATH][?QUERY]. Names of namespaces have
// no dots, so the last one separates.
func parseCallee(text string) (callee, error) {
	rest, query, _ := strings.Cut(text, "?")
	c := callee{name: rest}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		c.name, c.path = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(c.name, '.'); i >= 0 {
		c.name, c.namespace = c.name[:i], c.name[i+1:]
		if c.namespace == "" {
			return callee{}, usagef("function %q: nothing after the dot, where the namespace belongs", text)
		}
	}
	if c.name == "" {
		return callee{}, usagef("function %q: the name is empty", text)
	}
	var err error
	if c.query, err = url.ParseQuery(query); err != nil {
		return callee{}, usagef("function %q: query: %w", text, err)
	}
	if _, err := url.PathUnescape(c.path); err != nil {
		return callee{}, usagef("function %q: path: %w", text, err)
	}
	return c, nil
}

// addQuery adds the --query values to q.
func addQuery(q url.Values, values []string) error {
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if !ok || key == "" || value == "" {
			return usagef("--query %q: want KEY=VALUE, neither of them empty", v)
		}
		q.Add(key, value)
	}
	return nil
}

// parseHeaders reads the --header values: "Name: value", or the deprecated
// "Name=value", which counts where an equals sign comes before the first colon
// or there is none. old says that one of these was used.
func parseHeaders(values []string) (h http.Header, old bool, err error) {
	h = http.Header{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, ":")
		if !ok || strings.Contains(name, "=") {
			if name, value, ok = strings.Cut(v, "="); ok {
				old = true
			}
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || value == "" || !isToken(name) {
			return nil, false, usagef("--header %q: want 'Name: value', neither of them empty", v)
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, false, usagef("--header %q: the value has a line break", v)
		}
		h.Add(name, value)
	}
	return h, old, nil
}

// isToken says whether s can be the name of a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// invokeMethods are what a function can be called with.
func invokeMethods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// parseMethod takes one of them in any case.
func parseMethod(s string) (string, error) {
	methods := invokeMethods()
	m := strings.ToUpper(s)
	if !slices.Contains(methods, m) {
		return "", usagef("--method %q: want one of %s", s, strings.Join(methods, ", "))
	}
	return m, nil
}

// parseCallback checks the URL that the result of an asynchronous call goes to.
func parseCallback(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usagef("--callback %q: want an http or https URL", s)
	}
	return nil
}
