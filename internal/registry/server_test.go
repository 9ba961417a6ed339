package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const testUser, testPassword = "admin", "s3cret"

// forgetful serves a store with nothing kept in memory between requests, as if
// the server were restarted before each.
func forgetful(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Open(dir).Handler(ServerOptions{User: testUser, Password: testPassword}).ServeHTTP(w, r)
	})
}

func request(t *testing.T, srv *httptest.Server, method, path, body string, change func(*http.Request)) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(testUser, testPassword)
	if change != nil {
		change(req)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestServerConforms runs the specification's own suite, then a part of it once
// more against a new server on the same folder.
func TestServerConforms(t *testing.T) {
	t.Parallel()
	suite := filepath.Join(t.TempDir(), "suite")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", suite, "github.com/opencontainers/distribution-spec/conformance")
	build.Dir = "conformance"
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: the conformance suite of the distribution specification: %v\n%s", err, out)
	}
	dir := t.TempDir()
	run := func(extra ...string) (string, error) {
		srv := httptest.NewServer(forgetful(dir))
		defer srv.Close()
		results := t.TempDir()
		cmd := exec.CommandContext(t.Context(), suite)
		cmd.Dir = results
		cmd.Env = append([]string{
			"OCI_REGISTRY=" + strings.TrimPrefix(srv.URL, "http://"), "OCI_TLS=disabled",
			"OCI_USERNAME=" + testUser, "OCI_PASSWORD=" + testPassword, "OCI_RESULTS_DIR=" + results,
			"OCI_API_BLOBS_DELETE=false", // left to the collector
			"OCI_DATA_SHA512=false",      // images in use are sha256
		}, extra...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err != nil {
		t.Errorf("conformance: %v\n%s", err, out)
	}

	img := randomImage(t, 1024)
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	h, _ := img.Digest()
	srv := httptest.NewServer(forgetful(dir))
	ref, err := name.NewTag(strings.TrimPrefix(srv.URL, "http://") + "/conformance/repo1:kept")
	if err != nil {
		t.Fatal(err)
	}
	err = remote.Write(ref, img, remote.WithAuth(&authn.Basic{Username: testUser, Password: testPassword}))
	srv.Close()
	if err != nil {
		t.Fatal(err)
	}
	// The suite fails to write one of its reports when it only reads, so that
	// its exit code says nothing here.
	out, _ := run("OCI_API_PUSH=false", "OCI_API_MANIFESTS_DELETE=false", "OCI_API_TAGS_DELETE=false",
		"OCI_RO_DATA_TAGS=kept", "OCI_RO_DATA_MANIFESTS="+h.String(), "OCI_RO_DATA_BLOBS="+m.Layers[0].Digest.String())
	if !strings.Contains(out, "OCI Conformance Test: Pass") || !strings.Contains(out, "Read Only Inputs..............:       Pass") {
		t.Errorf("conformance after a restart:\n%s", out)
	}
}

func TestServerAnswersNobodyWithoutThePassword(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(forgetful(t.TempDir()))
	defer srv.Close()
	for name, change := range map[string]func(*http.Request){
		"none":           func(r *http.Request) { r.Header.Del("Authorization") },
		"wrong password": func(r *http.Request) { r.SetBasicAuth(testUser, "guess") },
		"wrong user":     func(r *http.Request) { r.SetBasicAuth("guess", testPassword) },
	} {
		res := request(t, srv, http.MethodGet, "/v2/", "", change)
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s, challenge %q", name, res.Status, res.Header.Get("WWW-Authenticate"))
		}
	}
	open := httptest.NewServer(Open(t.TempDir()).Handler(ServerOptions{}))
	defer open.Close()
	if res := request(t, open, http.MethodGet, "/v2/", "", func(r *http.Request) { r.SetBasicAuth("", "") }); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a server without a password answers %s", res.Status)
	}
}

func TestServerRefusesForeignHostsAndSites(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(forgetful(t.TempDir()))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	for host, want := range map[string]int{
		"localhost:" + port: 200, "LOCALHOST:" + port: 200, "127.0.0.1:" + port: 200,
		"evil.example:" + port: 421, "evil.example": 421, "localhost": 421, "localhost:1": 421, "127.0.0.2:" + port: 421,
	} {
		if res := request(t, srv, http.MethodGet, "/v2/", "", func(r *http.Request) { r.Host = host }); res.StatusCode != want {
			t.Errorf("Host %s: %s, want %d", host, res.Status, want)
		}
	}
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		res := request(t, srv, http.MethodPost, "/v2/me/fn/blobs/uploads/", "", func(r *http.Request) { r.Header.Set(header, value) })
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s answered %s", header, value, res.Status)
		}
	}
}

func TestServerSharesTheStoreWithBuilds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := httptest.NewServer(forgetful(dir))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	auth := remote.WithAuth(&authn.Basic{Username: testUser, Password: testPassword})

	built := randomImage(t, 4096)
	if _, err := Open(dir).WriteImage(t.Context(), "me/built:1", built); err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(host + "/me/built:1")
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(ref, auth)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(pulled); err != nil {
		t.Error(err)
	}
	pushed := randomImage(t, 4096)
	if ref, err = name.NewTag(host + "/me/pushed:1"); err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, pushed, auth); err != nil {
		t.Fatal(err)
	}
	want, _ := pushed.Digest()
	if h, ok, err := Open(dir).Resolve("me/pushed:1"); h != want || !ok || err != nil {
		t.Errorf("pushed image resolves to %v, %v, %v", h, ok, err)
	}
	if Open(dir).Native(want) {
		t.Error("a pushed image counts as built here")
	}
}

// beginUpload begins an upload and returns its path.
func beginUpload(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	res := request(t, srv, http.MethodPost, "/v2/me/fn/blobs/uploads/", "", nil)
	if res.StatusCode != http.StatusAccepted {
		t.Fatal(res.Status)
	}
	return res.Header.Get("Location")
}

func TestServerResumesAnUploadThatWasCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := httptest.NewServer(forgetful(dir))
	defer srv.Close()
	content := bytes.Repeat([]byte("layer"), 100_000)
	h, _, _ := v1.SHA256(bytes.NewReader(content))
	location := beginUpload(t, srv)

	// The connection ends in the middle of the first chunk.
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodPatch, srv.URL+location, nil)
	req.SetBasicAuth(testUser, testPassword)
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n",
		location, req.URL.Host, req.Header.Get("Authorization"), len(content))
	conn.Write(content[:300_000])
	conn.Close()
	srv.Close() // waits until the request has ended

	srv = httptest.NewServer(forgetful(dir))
	defer srv.Close()
	res := request(t, srv, http.MethodGet, location, "", nil)
	var have int
	if _, err := fmt.Sscanf(res.Header.Get("Range"), "0-%d", &have); err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("status of the upload: %s, range %q", res.Status, res.Header.Get("Range"))
	}
	rest := string(content[have+1:])
	if have == 0 {
		rest = string(content) // nothing of it was kept
	}
	res = request(t, srv, http.MethodPut, location+"?digest=sha256:"+strings.Repeat("0", 64), "", nil)
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a wrong digest: %s", res.Status)
	}
	if Open(dir).hasBlob(h) {
		t.Error("an incomplete blob is in the store")
	}

	// A refused upload is gone; a new one arrives in two chunks.
	location = beginUpload(t, srv)
	request(t, srv, http.MethodPatch, location, string(content[:len(content)-len(rest)]), nil)
	res = request(t, srv, http.MethodPatch, location, "x", func(r *http.Request) { r.Header.Set("Content-Range", "7-7") })
	if res.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a chunk at the wrong place: %s", res.Status)
	}
	at := len(content) - len(rest)
	res = request(t, srv, http.MethodPut, location+"?digest="+h.String(), rest, func(r *http.Request) {
		r.Header.Set("Content-Range", fmt.Sprintf("%d-%d", at, len(content)-1))
	})
	if res.StatusCode != http.StatusCreated || !Open(dir).hasBlob(h) {
		t.Errorf("the last chunk: %s", res.Status)
	}
}

func TestServerSaysThatTheDiskIsFull(t *testing.T) {
	t.Parallel()
	if !isFull(fmt.Errorf("write: %w", diskFull)) {
		t.Fatal("a full disk is not recognised")
	}
	w := httptest.NewRecorder()
	writeError(w, nil, &os.PathError{Op: "write", Path: "/home/me/secret", Err: diskFull})
	if w.Code != http.StatusInsufficientStorage || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	writeError(w, nil, &os.PathError{Op: "open", Path: "/home/me/secret", Err: errors.New("broken")})
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
}

func TestServerRefusesManifestsThatAreTooLargeOrIncomplete(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(forgetful(t.TempDir()))
	defer srv.Close()
	put := func(body string) int {
		return request(t, srv, http.MethodPut, "/v2/me/fn/manifests/1", body, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		}).StatusCode
	}
	missing := `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:` + strings.Repeat("1", 64) + `","size":2},"layers":[]}`
	if got := put(missing); got != http.StatusNotFound {
		t.Errorf("a manifest without its configuration: %d", got)
	}
	if got := put(`{"padding":"` + strings.Repeat("x", maxManifest) + `"}`); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a manifest of more than 4 MiB: %d", got)
	}
	if got := put("no manifest"); got != http.StatusBadRequest {
		t.Errorf("no JSON: %d", got)
	}
}

func TestServerListsNothingAsAnEmptyList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srv := httptest.NewServer(forgetful(dir))
	defer srv.Close()
	list := func(path, want string) {
		t.Helper()
		res := request(t, srv, http.MethodGet, path, "", nil)
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || string(body) != want {
			t.Errorf("%s: %s, %v, %s; want %s", path, res.Status, err, body, want)
		}
	}
	list("/v2/_catalog", `{"repositories":[]}`)
	if _, err := Open(dir).WriteImage(t.Context(), "me/fn:1", randomImage(t, 1024)); err != nil {
		t.Fatal(err)
	}
	list("/v2/_catalog", `{"repositories":["me/fn"]}`)
	list("/v2/me/fn/tags/list", `{"name":"me/fn","tags":["1"]}`)
	list("/v2/_catalog?last=me/fn", `{"repositories":[]}`)
	if err := Open(dir).Untag(t.Context(), "me/fn:1"); err != nil {
		t.Fatal(err)
	}
	list("/v2/me/fn/tags/list", `{"name":"me/fn","tags":[]}`)
	if res := request(t, srv, http.MethodGet, "/v2/me/other/tags/list", "", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("tags of a repository that is not there: %s", res.Status)
	}
}
