package builder

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fetchingHandler answers with what it gets from the address in its request.
const fetchingHandler = `package function

import (
	"io"
	"net/http"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	url, _ := io.ReadAll(r.Body)
	res, err := http.Get(string(url))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	io.Copy(w, res.Body)
}
`

func TestNativeGoCallsHTTPSWithTheAuthoritiesOfItsImage(t *testing.T) {
	t.Parallel()
	needTool(t, "go")
	n := newNative(t)
	p := newProject(t, map[string]string{"fn/handler.go": fetchingHandler})
	n.mustBuild(t, Request{Context: p.embedded(t, "golang-middleware"), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}})
	img := n.image(t, "me/fn:1")
	dir := unpack(t, img)
	roots := filepath.Join(dir, rootsFile)
	bundle, err := os.ReadFile(roots)
	if err != nil {
		t.Fatal(err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		t.Fatal("the image's file holds no certificates")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "over TLS") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	// In a container the file is where Go looks first; a process is told.
	env := "SSL_CERT_FILE=" + roots
	if code, body := post(t, "http://"+serveFrom(t, img, dir, env), server.URL); code != http.StatusBadGateway || !strings.Contains(body, "certificate") {
		t.Errorf("a server that nobody vouches for: %d %q", code, body)
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(roots, append(bundle, own...), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, body := post(t, "http://"+serveFrom(t, img, dir, env), server.URL); code != http.StatusOK || body != "over TLS" {
		t.Errorf("a server whose authority is in the image's file: %d %q", code, body)
	}
}
