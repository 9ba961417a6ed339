// Package engine speaks the Docker Engine API: builds with a BuildKit session, images, containers,
// networks and logs. It is the only home of the docker and BuildKit clients, whose types do not
// leave it, and it never runs the docker executable.
//
// The oldest engine it works with is 20.10 (API 1.41); Podman's compatible socket serves everything
// but builds.
package engine

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// minAPIVersion is that of Docker Engine 20.10, the oldest that Debian and Ubuntu still support.
const minAPIVersion = "1.41"

// Time limits of the first exchange. A local socket answers in milliseconds or never; ssh has to
// log in first.
const (
	pingTimeout    = 10 * time.Second
	sshPingTimeout = 40 * time.Second
)

// Options say how to find an engine and how to introduce ourselves to it.
type Options struct {
	// Lookup reads the environment: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, HOME and so on.
	// Nil is an empty environment, so the default socket is used.
	Lookup func(key string) (string, bool)
	// UserAgent is sent with each request; empty leaves docker's own.
	UserAgent string
	// Accounts are for registries that Docker's configuration has no account for.
	Accounts Accounts
}

// A Client is a connection to one engine. It is safe for concurrent use.
type Client struct {
	api      *client.Client
	endpoint Endpoint
	auth     Accounts
	ping     types.Ping

	versionOnce sync.Mutex
	version     *types.Version
}

// Connect finds the engine as docker's own client does, and agrees with it on an API version.
// When there is none, or none that will do, the error is an [*UnavailableError].
// The caller closes the client.
func Connect(ctx context.Context, o Options) (*Client, error) {
	env := environment{lookup: o.Lookup}
	ep, err := resolve(env)
	if err != nil {
		return nil, err
	}
	opts, err := clientOptions(ep)
	if err != nil {
		return nil, &UnavailableError{Endpoint: ep, Err: err}
	}
	if o.UserAgent != "" {
		opts = append(opts, client.WithUserAgent(o.UserAgent))
	}
	if v := env.get("DOCKER_API_VERSION"); v != "" {
		opts = append(opts, client.WithVersion(v))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, &UnavailableError{Endpoint: ep, Err: err}
	}
	c := &Client{api: api, endpoint: ep, auth: append(Accounts{{Dir: env.configDir()}}, o.Accounts...)}
	if err := c.negotiate(ctx); err != nil {
		_ = api.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) negotiate(ctx context.Context) error {
	limit := pingTimeout
	if c.endpoint.isSSH() {
		limit = sshPingTimeout
	}
	pctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ping, err := c.api.Ping(pctx)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &UnavailableError{Endpoint: c.endpoint, Err: c.endpoint.reason(ctx, err)}
	}
	c.ping = ping
	c.api.NegotiateAPIVersionPing(ping)
	if v := c.api.ClientVersion(); versions.LessThan(v, minAPIVersion) {
		return &UnavailableError{Endpoint: c.endpoint,
			Err: fmt.Errorf("it speaks API %s, and %s (Docker Engine 20.10) is the oldest that will do", v, minAPIVersion)}
	}
	return nil
}

// Reachable tries a new connection: an engine that is about to stop answers on those it has, but takes no more. When
// there is none, the error is an [*UnavailableError].
func (c *Client) Reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	conn, err := c.api.Dialer()(ctx)
	if err != nil {
		return &UnavailableError{Endpoint: c.endpoint, Err: err}
	}
	return conn.Close()
}

// Close ends idle connections.
func (c *Client) Close() error { return c.api.Close() }

// Endpoint says which engine this is and how it was found.
func (c *Client) Endpoint() Endpoint { return c.endpoint }

// Local reports whether the engine runs on this machine, so that it sees the same folders and its
// networks can be reached from here. Docker Desktop's engine lives in a virtual machine: folders are
// shared there, container addresses are not.
func (c *Client) Local() bool { return c.endpoint.isLocal() }

// Info describes an engine.
type Info struct {
	Version    string // of the engine, such as "20.10.24"
	APIVersion string // agreed upon
	OS, Arch   string // as GOOS and GOARCH
	Podman     bool   // Podman's compatible socket: no BuildKit session
	Squash     bool   // experimental engine: builds may squash layers
}

// Info asks once and remembers.
func (c *Client) Info(ctx context.Context) (Info, error) {
	c.versionOnce.Lock()
	defer c.versionOnce.Unlock()
	if c.version == nil {
		v, err := c.api.ServerVersion(ctx)
		if err != nil {
			return Info{}, c.fail(ctx, "engine version", err)
		}
		c.version = &v
	}
	v := *c.version
	info := Info{Version: v.Version, APIVersion: c.api.ClientVersion(), OS: v.Os, Arch: v.Arch, Squash: c.ping.Experimental}
	for _, part := range v.Components {
		if part.Name == "Podman Engine" {
			info.Podman = true
		}
	}
	return info, nil
}

// newTransport has no limit of its own on the time of a request: builds and log streams last as
// long as they last, and every call has a context.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 32, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}
}
