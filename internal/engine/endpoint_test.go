package engine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// env makes a lookup of pairs.
func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(key string) (string, bool) { v, ok := m[key]; return v, ok }
}

// addContext writes a docker context as docker/cli's context store does.
func addContext(t *testing.T, configDir, name, meta string) (tlsDir string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	writeFile(t, filepath.Join(configDir, "contexts", "meta", id, "meta.json"), meta)
	return filepath.Join(configDir, "contexts", "tls", id, "docker")
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestResolveFollowsDockersOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "config.json"), `{"currentContext": "current"}`)
	for _, name := range []string{"current", "chosen"} {
		addContext(t, dir, name, fmt.Sprintf(`{"Name":%q,"Endpoints":{"docker":{"Host":"tcp://%s:1"}}}`, name, name))
	}
	addContext(t, dir, "empty", `{"Name":"empty","Endpoints":{}}`)
	addContext(t, dir, "broken", `{`)
	tests := []struct {
		name   string
		env    []string
		host   string
		source string
		err    string
	}{
		{name: "a host", env: []string{"DOCKER_HOST", "unix:///x", "DOCKER_CONTEXT", "chosen"}, host: "unix:///x", source: "DOCKER_HOST"},
		{name: "a host without scheme", env: []string{"DOCKER_HOST", "h:1"}, host: "tcp://h:1", source: "DOCKER_HOST"},
		{name: "a context by variable", env: []string{"DOCKER_CONTEXT", "chosen"}, host: "tcp://chosen:1", source: `context "chosen"`},
		{name: "the current context", host: "tcp://current:1", source: `context "current"`},
		{name: "the default context", env: []string{"DOCKER_CONTEXT", "default"}, source: "default socket"},
		{name: "an unknown context", env: []string{"DOCKER_CONTEXT", "nobody"}, err: `context "nobody"`},
		{name: "a context without docker", env: []string{"DOCKER_CONTEXT", "empty"}, err: `context "empty"`},
		{name: "a context that cannot be read", env: []string{"DOCKER_CONTEXT", "broken"}, err: `context "broken"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ep, err := resolve(environment{lookup: env(append(tt.env, "DOCKER_CONFIG", dir)...)})
			if tt.err != "" {
				if !IsUnavailable(err) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.host != "" && ep.Host != tt.host || ep.Source != tt.source {
				t.Errorf("endpoint %+v", ep)
			}
		})
	}
}

func TestDefaultSocketFallsBackToPodman(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has a named pipe")
	}
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("this machine has docker's own socket")
	}
	run, err := os.MkdirTemp("", "run-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	socket := filepath.Join(run, "podman", "podman.sock")
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := defaultHost(environment{lookup: env("XDG_RUNTIME_DIR", run)}); got != "unix://"+socket {
		t.Errorf("host %s", got)
	}
}

// fakeEngine answers pings.
func fakeEngine(version string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", version)
		if strings.HasSuffix(r.URL.Path, "/version") {
			fmt.Fprintf(w, `{"Version":"4.3.1","ApiVersion":%q,"Os":"linux","Arch":"amd64","Components":[{"Name":"Podman Engine"}]}`, version)
		}
	})
}

func TestConnectNegotiatesTheVersion(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"1.40": false, "1.41": true, "1.51": true, "1.99": true} {
		srv := httptest.NewServer(fakeEngine(version))
		defer srv.Close()
		c, err := Connect(t.Context(), Options{Lookup: env("DOCKER_HOST", "tcp://"+srv.Listener.Addr().String())})
		if ok && err != nil || !ok && (!IsUnavailable(err) || !strings.Contains(err.Error(), version)) {
			t.Errorf("API %s: %v", version, err)
		}
		if err == nil {
			info, err := c.Info(t.Context())
			if err != nil || !info.Podman {
				t.Errorf("info %+v, %v", info, err)
			}
			if _, err := c.Build(t.Context(), Build{}, nil); !errors.Is(err, ErrNoBuildKit) {
				t.Errorf("build: %v", err)
			}
			_ = c.Close()
		}
	}
}

func TestConnectSaysWhyThereIsNoEngine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.sock")
	_, err := Connect(t.Context(), Options{Lookup: env("DOCKER_HOST", "unix://"+path)})
	if !IsUnavailable(err) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{path, "DOCKER_HOST", "no such file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := Connect(ctx, Options{Lookup: env("DOCKER_HOST", "unix://"+path)}); !errors.Is(err, why) {
		t.Errorf("a cancelled connection: %v", err)
	}
}

// authority makes a CA and certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) issue(t *testing.T) (certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: pkcs}))
}

func TestConnectWithTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	caPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	srv := httptest.NewUnstartedServer(fakeEngine("1.41"))
	cert, key := ca.issue(t)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	host := "tcp://" + srv.Listener.Addr().String()

	dir := t.TempDir()
	clientCert, clientKey := ca.issue(t)
	save := func(to string, withCA bool) {
		writeFile(t, filepath.Join(to, "cert.pem"), clientCert)
		writeFile(t, filepath.Join(to, "key.pem"), clientKey)
		if withCA {
			writeFile(t, filepath.Join(to, "ca.pem"), caPEM)
		}
	}
	save(filepath.Join(dir, "certs"), true)
	save(filepath.Join(dir, "no-ca"), false)
	save(addContext(t, dir, "tls", `{"Endpoints":{"docker":{"Host":"`+host+`"}}}`), true)
	tests := []struct {
		name string
		env  []string
		ok   bool
	}{
		{"verified", []string{"DOCKER_HOST", host, "DOCKER_TLS_VERIFY", "1", "DOCKER_CERT_PATH", filepath.Join(dir, "certs")}, true},
		{"context", []string{"DOCKER_CONFIG", dir, "DOCKER_CONTEXT", "tls"}, true},
		{"unknown CA", []string{"DOCKER_HOST", host, "DOCKER_TLS_VERIFY", "1", "DOCKER_CERT_PATH", filepath.Join(dir, "no-ca")}, false},
		{"unverified as asked", []string{"DOCKER_HOST", host, "DOCKER_TLS", "1", "DOCKER_CERT_PATH", filepath.Join(dir, "no-ca")}, true},
		{"no certificate", []string{"DOCKER_HOST", host, "DOCKER_TLS", "1", "DOCKER_CERT_PATH", filepath.Join(dir, "none")}, false},
		{"plain", []string{"DOCKER_HOST", host}, false},
	}
	for _, tt := range tests {
		c, err := Connect(t.Context(), Options{Lookup: env(tt.env...)})
		if tt.ok != (err == nil) || err != nil && !IsUnavailable(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
}

// TestConnectThroughSSH puts a program called ssh on PATH that connects its standard streams to the
// engine, as docker system dial-stdio does at the far end.
func TestConnectThroughSSH(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a shell script")
	}
	srv := httptest.NewServer(fakeEngine("1.41"))
	defer srv.Close()
	bin := t.TempDir()
	args := filepath.Join(bin, "args")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %q\nDIAL_STDIO=%s exec %q -test.run '^TestDialStdio$'\n", args, srv.Listener.Addr(), self)
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(script), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // is not for this
	c, err := Connect(t.Context(), Options{Lookup: env("DOCKER_HOST", "ssh://me@example.com:2222")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Local() {
		t.Error("an engine behind ssh counts as local")
	}
	line, err := os.ReadFile(args)
	if err != nil || !strings.Contains(string(line), "2222") || !strings.Contains(string(line), "example.com") || !strings.Contains(string(line), "dial-stdio") {
		t.Errorf("ssh was run with %q, %v", line, err)
	}
}
