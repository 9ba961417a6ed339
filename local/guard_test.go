//go:build unix

package local

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlatformWantsItsPassword(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	for _, auth := range []string{"", "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:wrong")), "Bearer x"} {
		res, text := p.want(http.StatusUnauthorized, "GET", "/system/functions", nil, func(r *http.Request) { r.Header.Set("Authorization", auth) })
		if res.Header.Get("WWW-Authenticate") != `Basic realm="Restricted"` || text != "invalid credentials" {
			t.Errorf("%v %q", res.Header, text)
		}
	}
	if _, text := p.want(http.StatusOK, "GET", "/healthz", nil); text != "OK" {
		t.Errorf("healthz: %s", text)
	}
	for _, name := range []string{keyFile, passwordFile, instanceFile} {
		fi, err := os.Stat(filepath.Join(p.dir, name))
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi.Mode(), err)
		}
	}
}

func TestPlatformAnswersNoOtherHostAndNoOtherSite(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir(), func(o *Options) { o.Origins = []string{"http://page.example"} })
	p.deploy("hello")
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	_, port, _ := strings.Cut(p.in.Address, ":")
	for _, path := range []string{"/function/hello", "/async-function/hello", "/system/functions", "/healthz", "/metrics", provePath} {
		p.want(http.StatusMisdirectedRequest, "POST", path, "", host("evil.example:"+port))
		p.want(http.StatusMisdirectedRequest, "GET", path, nil, host("localhost:1"))
	}
	p.want(http.StatusOK, "GET", "/healthz", nil, host("LOCALHOST:"+port))
	for _, path := range []string{"/function/hello", "/async-function/hello", "/system/functions"} {
		p.want(http.StatusForbidden, "POST", path, "", header("Sec-Fetch-Site", "cross-site"))
		p.want(http.StatusForbidden, "POST", path, "", header("Sec-Fetch-Site", "same-site"))
		p.want(http.StatusForbidden, "POST", path, "", header("Origin", "http://evil.example"))
	}
	p.want(http.StatusForbidden, "GET", "/function/hello", nil, header("Sec-Fetch-Site", "cross-site"))
	p.want(http.StatusOK, "GET", "/function/hello", nil, header("Sec-Fetch-Site", "none"))

	allowed := func(r *http.Request) {
		r.Header.Set("Origin", "http://page.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	res, _ := p.want(http.StatusOK, "POST", "/function/hello", "", allowed)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "http://page.example" {
		t.Errorf("allowed origin %q", got)
	}
	p.want(http.StatusNoContent, "OPTIONS", "/function/hello", nil, allowed, header("Access-Control-Request-Method", "PUT"))
	p.want(http.StatusForbidden, "POST", "/system/functions", "", allowed)
}

func TestInstanceProvesItself(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	in, err := Discover(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Prove(t.Context(), http.DefaultClient); err != nil {
		t.Error(err)
	}
	// A program on another port that passes the challenge on gets an answer for the wrong address.
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, text := p.do(r.Method, r.URL.RequestURI(), nil)
		_, _ = io.WriteString(w, text)
	}))
	defer relay.Close()
	in.Address = strings.TrimPrefix(relay.URL, "http://")
	if err := in.Prove(t.Context(), http.DefaultClient); err == nil {
		t.Error("a relay is taken for the platform")
	}
}
