package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// dockerHub is the key under which Docker's configuration keeps the account of its own registry,
// whatever host name an image reference or BuildKit uses for it.
const dockerHub = "https://index.docker.io/v1/"

// helperTimeout bounds a credential helper. Some ask a person to unlock a key ring.
const helperTimeout = time.Minute

// Auth is an account of a registry. Its zero value means: ask anonymously.
type Auth struct {
	Username, Password string
	IdentityToken      string // exchanged for access tokens instead of a password
	RegistryToken      string // sent as a bearer token as it is
}

// Credentials reads accounts out of a folder with Docker's config.json, and from the credential
// helpers that it names. Nothing is read before a host is asked for, and no other host's account is
// read then. It is safe for concurrent use.
type Credentials struct {
	Dir string // such as ~/.docker; empty: no accounts
}

// Accounts are where accounts are looked up, in order.
type Accounts []*Credentials

// For returns the first account for a registry's host (and port), or the zero Auth if there is none.
func (a Accounts) For(ctx context.Context, host string) (Auth, error) {
	for _, c := range a {
		if auth, err := c.For(ctx, host); err != nil || auth != (Auth{}) {
			return auth, err
		}
	}
	return Auth{}, nil
}

// DockerCredentials are those of Docker's own configuration, wherever the environment puts it.
func DockerCredentials(lookup func(key string) (string, bool)) *Credentials {
	return &Credentials{Dir: environment{lookup: lookup}.configDir()}
}

// config is the part of Docker's config.json that matters here.
// Source of truth: cli/config/configfile of docker/cli.
type config struct {
	Auths             map[string]authEntry `json:"auths"`
	CredentialsStore  string               `json:"credsStore"`
	CredentialHelpers map[string]string    `json:"credHelpers"`
	CurrentContext    string               `json:"currentContext"`
}

type authEntry struct {
	Auth          string `json:"auth"` // base64 of user:password
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

func readConfig(dir string) (config, error) {
	var cfg config
	if dir == "" {
		return cfg, nil
	}
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil
	}
	if err != nil {
		return cfg, err
	}
	if err := json.Unmarshal(data, &cfg); err != nil {
		return cfg, fmt.Errorf("read %q: %w", path, err)
	}
	return cfg, nil
}

// For returns the account for a registry's host (and port), or the zero Auth if there is none.
func (c *Credentials) For(ctx context.Context, host string) (Auth, error) {
	if c == nil {
		return Auth{}, nil
	}
	cfg, err := readConfig(c.Dir)
	if err != nil {
		return Auth{}, err
	}
	key := configKey(host)
	helper, ok := find(cfg.CredentialHelpers, key)
	if !ok {
		helper = cfg.CredentialsStore
	}
	if helper != "" {
		auth, err := askHelper(ctx, helper, key)
		if err != nil || auth != (Auth{}) {
			return auth, err
		}
	}
	e, _ := find(cfg.Auths, key)
	return e.account(key)
}

func configKey(host string) string {
	switch host {
	case "docker.io", "index.docker.io", "registry-1.docker.io", "registry.docker.io":
		return dockerHub
	}
	return host
}

// find looks for the registry itself, else for a key that is a URL of it.
func find[T any](m map[string]T, key string) (T, bool) {
	if v, ok := m[key]; ok {
		return v, true
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if hostOf(name) == hostOf(key) {
			return m[name], true
		}
	}
	var none T
	return none, false
}

func hostOf(key string) string {
	if _, rest, ok := strings.Cut(key, "://"); ok {
		key = rest
	}
	host, _, _ := strings.Cut(key, "/")
	if configKey(host) == dockerHub {
		return "index.docker.io"
	}
	return host
}

func (e authEntry) account(name string) (Auth, error) {
	a := Auth{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}
	if e.Auth == "" {
		return a, nil
	}
	raw, err := base64.StdEncoding.DecodeString(e.Auth)
	user, password, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok {
		return Auth{}, fmt.Errorf("credentials for %q in Docker's config.json are not base64 of user:password", name)
	}
	a.Username, a.Password = user, strings.TrimRight(password, "\x00")
	return a, nil
}

// askHelper speaks the protocol of docker-credential-helpers: the server on stdin, JSON on stdout.
// A helper that knows no account fails in the same way as one that is broken, so a failure of one
// that was started counts as no account; one that cannot be started is an error.
func askHelper(ctx context.Context, helper, server string) (Auth, error) {
	if helper != filepath.Base(helper) {
		return Auth{}, fmt.Errorf("credential helper %q is not a plain name", helper)
	}
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	program := "docker-credential-" + helper
	cmd := exec.CommandContext(ctx, program, "get") //nolint:gosec // named by the user's own Docker configuration
	cmd.Stdin = strings.NewReader(server)
	cmd.Stderr = io.Discard
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Auth{}, fmt.Errorf("%s get: %w", program, context.Cause(ctx))
	case errors.As(err, &exit):
		return Auth{}, nil
	case err != nil:
		return Auth{}, fmt.Errorf("credential helper of Docker's config.json: %w", err)
	}
	var reply struct{ Username, Secret string }
	if err := json.Unmarshal(out.Bytes(), &reply); err != nil {
		return Auth{}, fmt.Errorf("%s get: reply is not JSON", program) // its text may hold a secret
	}
	if reply.Username == "<token>" { // the helpers' mark for an identity token
		return Auth{IdentityToken: reply.Secret}, nil
	}
	return Auth{Username: reply.Username, Password: reply.Secret}, nil
}
