package engine

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/client"
)

// An Endpoint is an address of an engine and the reason why it was chosen.
type Endpoint struct {
	Host   string // unix:///var/run/docker.sock, tcp://…, ssh://…, npipe://…
	Source string // "DOCKER_HOST", `context "prod"`, "default socket"

	tls        bool
	skipVerify bool
	tlsDir     string // holds ca.pem, cert.pem and key.pem, each optional
}

func (e Endpoint) isSSH() bool { return strings.HasPrefix(e.Host, "ssh://") }

func (e Endpoint) isLocal() bool {
	return strings.HasPrefix(e.Host, "unix://") || strings.HasPrefix(e.Host, "npipe://")
}

type environment struct {
	lookup func(string) (string, bool)
}

func (e environment) get(key string) string {
	if e.lookup == nil {
		return ""
	}
	v, _ := e.lookup(key)
	return v
}

func (e environment) home() string {
	if runtime.GOOS == "windows" {
		return e.get("USERPROFILE")
	}
	return e.get("HOME")
}

// configDir is Docker's own, empty where there is no home folder.
func (e environment) configDir() string {
	if dir := e.get("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	if home := e.home(); home != "" {
		return filepath.Join(home, ".docker")
	}
	return ""
}

// resolve follows docker's order: DOCKER_HOST, then DOCKER_CONTEXT, then the current context of
// config.json, then the default socket.
func resolve(env environment) (Endpoint, error) {
	if host := env.get("DOCKER_HOST"); host != "" {
		return hostEndpoint(env, host), nil
	}
	name := env.get("DOCKER_CONTEXT")
	if name == "" {
		cfg, err := readConfig(env.configDir())
		if err != nil {
			return Endpoint{}, &UnavailableError{Endpoint: Endpoint{Source: "current context"}, Err: err}
		}
		name = cfg.CurrentContext
	}
	if name != "" && name != "default" {
		return contextEndpoint(env.configDir(), name)
	}
	return Endpoint{Host: defaultHost(env), Source: "default socket"}, nil
}

// hostEndpoint treats DOCKER_HOST as docker does: a host without scheme is TCP, TLS only if asked
// for, and unverified only with DOCKER_TLS.
func hostEndpoint(env environment, host string) Endpoint {
	if !strings.Contains(host, "://") {
		host = "tcp://" + host
	}
	verify := env.get("DOCKER_TLS_VERIFY") != ""
	ep := Endpoint{Host: host, Source: "DOCKER_HOST", tls: verify || env.get("DOCKER_TLS") != "", skipVerify: !verify}
	if ep.tlsDir = env.get("DOCKER_CERT_PATH"); ep.tlsDir == "" {
		ep.tlsDir = env.configDir()
	}
	return ep
}

// contextEndpoint reads a docker context. The layout on disk is that of docker/cli's context store:
// contexts/meta/SHA256(NAME)/meta.json, with PEM files below contexts/tls/SHA256(NAME)/docker.
func contextEndpoint(dir, name string) (Endpoint, error) {
	ep := Endpoint{Source: fmt.Sprintf("context %q", name)}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	data, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return ep, &UnavailableError{Endpoint: ep, Err: fmt.Errorf("docker has no such context in %q", dir)}
	}
	if err != nil {
		return ep, &UnavailableError{Endpoint: ep, Err: err}
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return ep, &UnavailableError{Endpoint: ep, Err: fmt.Errorf("read its description: %w", err)}
	}
	docker, ok := meta.Endpoints["docker"]
	if !ok || docker.Host == "" {
		return ep, &UnavailableError{Endpoint: ep, Err: errors.New("it names no docker endpoint")}
	}
	ep.Host, ep.skipVerify = docker.Host, docker.SkipTLSVerify
	ep.tlsDir = filepath.Join(dir, "contexts", "tls", id, "docker")
	_, err = os.Stat(ep.tlsDir)
	ep.tls = err == nil || ep.skipVerify
	return ep, nil
}

// defaultHost is docker's own default socket, or the first other usual one that exists: Docker
// Desktop's and rootless docker's, then Podman's.
func defaultHost(env environment) string {
	if runtime.GOOS == "windows" {
		return client.DefaultDockerHost
	}
	usual := strings.TrimPrefix(client.DefaultDockerHost, "unix://")
	candidates := []string{usual}
	if home := env.home(); home != "" {
		candidates = append(candidates, filepath.Join(home, ".docker/run/docker.sock"))
	}
	if run := env.get("XDG_RUNTIME_DIR"); run != "" {
		candidates = append(candidates, filepath.Join(run, "docker.sock"), filepath.Join(run, "podman/podman.sock"))
	}
	for _, path := range append(candidates, "/run/podman/podman.sock") {
		if fi, err := os.Stat(path); err == nil && fi.Mode()&fs.ModeSocket != 0 {
			return "unix://" + path
		}
	}
	return client.DefaultDockerHost
}

// clientOptions set up the transport: ssh through docker's own helper, which runs the user's ssh.
func clientOptions(ep Endpoint) ([]client.Opt, error) {
	tr := newTransport()
	hc := &http.Client{Transport: tr, CheckRedirect: client.CheckRedirect}
	if ep.isSSH() {
		helper, err := connhelper.GetConnectionHelper(ep.Host)
		if err != nil {
			return nil, err
		}
		noProxy := func(*client.Client) error { tr.Proxy = nil; return nil } // the helper's host name is made up
		return []client.Opt{client.WithHTTPClient(hc), client.WithHost(helper.Host), client.WithDialContext(helper.Dialer), noProxy}, nil
	}
	if ep.tls && !ep.isLocal() {
		cfg, err := tlsConfig(ep)
		if err != nil {
			return nil, err
		}
		tr.TLSClientConfig = cfg
	}
	return []client.Opt{client.WithHTTPClient(hc), client.WithHost(ep.Host)}, nil
}

func tlsConfig(ep Endpoint) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: ep.skipVerify} //nolint:gosec // only where the user's context or DOCKER_TLS says so
	ca := filepath.Join(ep.tlsDir, "ca.pem")
	pem, err := os.ReadFile(ca)
	switch {
	case err == nil:
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %q", ca)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	cert, key := filepath.Join(ep.tlsDir, "cert.pem"), filepath.Join(ep.tlsDir, "key.pem")
	if _, err := os.Stat(cert); errors.Is(err, fs.ErrNotExist) {
		return cfg, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}
