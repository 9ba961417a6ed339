package commands

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/local"
)

// engineChoice is the engine that builds a function, and why it is that one.
type engineChoice struct {
	engine builder.Engine
	caps   builder.Capabilities
	why    string
}

// buildEngines are the engines of one command, connected when they are first
// needed. They are safe for concurrent use.
type buildEngines struct {
	env   *Env
	flags buildFlags
	to    buildTarget

	conn   *engineConn
	docker func(ctx context.Context) (engineChoice, error)
	native func(ctx context.Context) (engineChoice, error)
	remote func(ctx context.Context) (engineChoice, error)
}

func (e *Env) newBuildEngines(f buildFlags, to buildTarget) *buildEngines {
	b := &buildEngines{env: e, flags: f, to: to, conn: &engineConn{env: e}}
	b.docker = onceChoice(func(ctx context.Context) (builder.Engine, error) {
		c, err := b.conn.get(ctx)
		if err != nil {
			return nil, err
		}
		return e.dockerEngine(c)
	})
	b.native = onceChoice(func(context.Context) (builder.Engine, error) { return e.nativeEngine(f.tools) })
	b.remote = onceChoice(func(context.Context) (builder.Engine, error) { return e.remoteEngine(f.remote) })
	return b
}

// An engineConn connects to the container engine when that is first needed.
type engineConn struct {
	env    *Env
	once   sync.Once
	client *engine.Client
	err    error
}

// get returns the connection, which Close ends.
func (c *engineConn) get(ctx context.Context) (*engine.Client, error) {
	c.once.Do(func() {
		c.client, c.err = engine.Connect(ctx, engine.Options{
			Lookup: c.env.Lookup, UserAgent: c.env.userAgent(), Accounts: engine.Accounts{c.env.projectAccounts()},
		})
	})
	return c.client, c.err
}

// Close ends the connection, if there is one.
func (c *engineConn) Close() error {
	c.once.Do(func() { c.err = errors.New("the connection to the container engine is closed") })
	if c.client == nil {
		return nil
	}
	return c.client.Close()
}

// imageStore is the image store of the local platform, whether or not that
// runs.
func (e *Env) imageStore() (*registry.Store, error) {
	dir, err := local.StateDir(e.Lookup)
	if err != nil {
		return nil, err
	}
	return registry.Open(local.ImagesDir(dir)), nil
}

// onceChoice makes an engine and asks what it can do, once.
func onceChoice(open func(ctx context.Context) (builder.Engine, error)) func(ctx context.Context) (engineChoice, error) {
	var once sync.Once
	var c engineChoice
	var err error
	return func(ctx context.Context) (engineChoice, error) {
		once.Do(func() {
			if c.engine, err = open(ctx); err == nil {
				c.caps, err = c.engine.Capabilities(ctx)
			}
		})
		return c, err
	}
}

// choose decides which engine builds the job. With --builder auto that is the
// native one only where nothing can come out differently: for the local
// platform, from a template that is trusted, with nothing that only a
// Dockerfile honours. Whatever else is shipped is what the Dockerfile says.
func (b *buildEngines) choose(ctx context.Context, j *job) (engineChoice, error) {
	if b.flags.remote.url != "" {
		return explained(b.remote, ctx, "a remote builder is set")
	}
	switch b.flags.builder {
	case builderDocker:
		c, err := explained(b.docker, ctx, "--builder docker")
		return c, b.offerNative(ctx, j, err)
	case builderNative:
		if err := b.refusedByNative(ctx, j); err != nil {
			return engineChoice{}, err
		}
		return explained(b.native, ctx, "--builder native")
	case builderAuto:
	}
	refused := b.refusedByNative(ctx, j)
	if b.to.local && refused == nil {
		return explained(b.native, ctx, fmt.Sprintf("template %s needs no container engine on the local platform", j.fn.Language))
	}
	why := "what ships is what the Dockerfile says"
	if b.to.local {
		why = refused.Error()
	}
	c, err := explained(b.docker, ctx, why)
	return c, b.offerNative(ctx, j, err)
}

// offerNative adds to an error for want of a container engine whether the job can be built without.
func (b *buildEngines) offerNative(ctx context.Context, j *job, err error) error {
	if !engine.IsUnavailable(err) {
		return err
	}
	if refused := b.refusedByNative(ctx, j); refused != nil {
		return withHint(err, "--builder native cannot build this function either: %s", refused)
	}
	return withHint(err, "--builder native builds this function without a container engine")
}

func explained(open func(context.Context) (engineChoice, error), ctx context.Context, why string) (engineChoice, error) { //nolint:revive // the engine first
	c, err := open(ctx)
	c.why = why
	return c, err
}

// refusedByNative says why the native engine cannot build the job, or nil.
func (b *buildEngines) refusedByNative(ctx context.Context, j *job) error {
	if j.request.Context.Local() == nil {
		return &builder.NoLocalError{Language: j.fn.Language}
	}
	c, err := b.native(ctx)
	if err != nil {
		return err
	}
	for key, value := range j.request.Args {
		if key != builder.AdditionalPackage || value != "" {
			return &builder.UnsupportedError{Engine: c.caps.Name, What: "build arguments and build options"}
		}
	}
	return builder.Check(ctx, c.engine, j.request)
}

// Close ends the connection to the container engine, if there is one.
func (b *buildEngines) Close() error { return b.conn.Close() }

// dockerEngine builds with a container engine, and only what has changed.
func (e *Env) dockerEngine(c *engine.Client) (builder.Engine, error) {
	state, err := local.StateDir(e.Lookup)
	if err != nil {
		return nil, err
	}
	d := &builder.Docker{
		Client: c, Project: e.Dir, SSHAgent: e.get("SSH_AUTH_SOCK"),
		Store: registry.Open(local.ImagesDir(state)), Registry: e.registries(),
	}
	return builder.SkipUnchanged(d, &builder.Records{Dir: filepath.Join(state, "builds")}), nil
}

// nativeEngine builds without one, and only what has changed.
func (e *Env) nativeEngine(tools *builder.Tools) (builder.Engine, error) {
	state, err := local.StateDir(e.Lookup)
	if err != nil {
		return nil, err
	}
	cache, err := e.cacheDir()
	if err != nil {
		return nil, err
	}
	n := &builder.Native{
		Store: registry.Open(local.ImagesDir(state)), Cache: filepath.Join(cache, "native"),
		Env: e.Environ(), Tools: tools, Registry: e.registries(),
	}
	return builder.SkipUnchanged(n, &builder.Records{Dir: filepath.Join(state, "builds")}), nil
}

// registries pushes with the accounts of Docker's configuration and with those
// that registry-login wrote into the project.
func (e *Env) registries() builder.Registry {
	return builder.Registry{
		Transport: e.Transport, UserAgent: e.userAgent(),
		Keychain: builder.Accounts{
			engine.DockerCredentials(e.Lookup),
			e.projectAccounts(),
		},
	}
}

// projectAccounts are those that registry-login wrote into the project.
func (e *Env) projectAccounts() *engine.Credentials {
	return &engine.Credentials{Dir: filepath.Join(e.Dir, registryLoginFolder)}
}

// remoteEngine builds elsewhere. What it is sent is signed, so that a secret is
// needed.
func (e *Env) remoteEngine(f remoteFlags) (builder.Engine, error) {
	if f.payloadSecret == "" {
		return nil, withHint(usagef("a remote builder needs the secret that requests are signed with"),
			"give its file with --payload-secret or OPENFAAS_PAYLOAD_SECRET")
	}
	secret, err := builder.ReadPayloadSecret(e.abs(f.payloadSecret))
	if err != nil {
		return nil, err
	}
	r := &builder.Remote{Secret: secret, HTTP: e.httpClient(), UserAgent: e.userAgent()}
	if r.URL, err = normaliseGateway(f.url); err != nil {
		return nil, usagef("remote builder %q: want http://HOST or https://HOST", f.url)
	}
	if f.publicKey != "" {
		if r.PublicKey, err = builder.ReadBuilderKey(f.publicKey); err != nil {
			return nil, err
		}
	}
	return r, nil
}
