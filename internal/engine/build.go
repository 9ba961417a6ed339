package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"golang.org/x/sync/errgroup"
)

// cancelTimeout bounds the request that stops a build after its caller has given up.
const cancelTimeout = 3 * time.Second

// ErrNoBuildKit is returned for engines that cannot open a BuildKit session, such as Podman's.
var ErrNoBuildKit = errors.New("this engine has no BuildKit session")

// A Build is what one image is made of.
type Build struct {
	// Context is the tree that the Dockerfile copies from. The engine asks for the paths it needs,
	// and of these only for what changed since the last build with the same Key. Changes are noticed
	// by size, mode and modification time; a file without a modification time is told by its content.
	Context    fs.FS
	Key        string // stable name of the context, such as project folder and function
	Dockerfile string // path within Context; empty means "Dockerfile"

	Tags     []string          // names for the result
	Args     map[string]string // build arguments
	Labels   map[string]string
	Target   string // stage to stop at; empty: the last
	Platform string // such as "linux/arm64"; empty: the engine's own
	Network  string // of RUN steps: "host", "none"; empty: the engine's default

	NoCache bool // run every step
	Pull    bool // ask the registry for newer base images
	Squash  bool // only where Info says so

	Secrets []BuildSecret
	SSH     []SSHAgent
}

// subject is what errors are about; that it was to be built, the caller says.
func (b Build) subject() string {
	if len(b.Tags) == 0 {
		return "image"
	}
	return fmt.Sprintf("image %q", b.Tags[0])
}

// A BuildSecret is a file that RUN --mount=type=secret,id=ID sees; it does not enter the image.
type BuildSecret struct {
	ID   string
	Path string
}

// A BuildError is a build that the engine ended: a step failed, or the Dockerfile is wrong.
type BuildError struct {
	Message string // in the engine's words
	Step    string // the step that failed, if it was one
	// BaseImage is the image that could not be looked up, if that is why the build failed.
	BaseImage string
}

func (e *BuildError) Error() string { return e.Message }

// Build makes an image and returns its ID. When ctx ends, so does the build in the engine. A build
// that the engine refuses or ends is a [*BuildError]; other errors name the image. on may be nil and is called from one goroutine.
func (c *Client) Build(ctx context.Context, b Build, on func(Event)) (id string, err error) {
	info, err := c.Info(ctx)
	if err != nil {
		return "", err
	}
	if info.Podman {
		return "", fmt.Errorf("%s: %w", b.subject(), ErrNoBuildKit)
	}
	bctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	tree := &contextTree{fsys: b.Context, stop: stop}
	sess, err := c.newSession(b, tree)
	if err != nil {
		return "", err
	}

	var g errgroup.Group
	g.Go(func() error {
		dial := func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return c.api.DialHijack(ctx, "/session", proto, meta)
		}
		if err := sess.run(bctx, dial); err != nil {
			stop(c.fail(bctx, "open a build session", err))
		}
		return nil
	})
	id, err = c.solve(bctx, b, sess.id, on)
	cause := context.Cause(bctx)
	stop(nil)
	sess.rpc.Stop()
	_ = g.Wait()

	switch treeErr := tree.failure(); {
	case err == nil && treeErr == nil:
		return id, nil
	case treeErr != nil:
		return "", treeErr
	case cause != nil:
		return "", cause
	}
	return "", err
}

// newSession offers the engine what it may ask for while it builds.
func (c *Client) newSession(b Build, tree *contextTree) (*buildSession, error) {
	for _, s := range b.Secrets {
		if _, err := os.Stat(s.Path); err != nil {
			return nil, fmt.Errorf("build secret %q: %w", s.ID, err)
		}
	}
	files, ok := filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": tree, "dockerfile": tree}).(filesync.FileSyncServer)
	if !ok {
		return nil, errors.New("build session: this BuildKit library cannot send files")
	}
	others := []session.Attachable{authServer{auth: c.auth}, newSecretServer(b.Secrets)}
	if len(b.SSH) > 0 {
		agents, err := newAgentServer(b.SSH)
		if err != nil {
			return nil, err
		}
		others = append(others, agents)
	}
	return newBuildSession(b.Key, files, others...), nil
}

// solve sends the build request and reads its reply to the end. The request outlives ctx by as much
// as it takes to tell the engine to stop, so that no build goes on unseen.
func (c *Client) solve(ctx context.Context, b Build, sessionID string, on func(Event)) (string, error) {
	rctx, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	buildID := sessionID + "-build"
	cancelled := make(chan struct{})
	disarm := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		cctx, done := context.WithTimeout(rctx, cancelTimeout)
		defer done()
		_ = c.api.BuildCancel(cctx, buildID)
		hangUp()
	})
	defer func() {
		if !disarm() {
			<-cancelled
		}
	}()

	args := make(map[string]*string, len(b.Args))
	for k, v := range b.Args {
		args[k] = &v
	}
	resp, err := c.api.ImageBuild(rctx, nil, build.ImageBuildOptions{
		Version:       build.BuilderBuildKit,
		RemoteContext: "client-session",
		SessionID:     sessionID,
		BuildID:       buildID,
		Dockerfile:    b.Dockerfile,
		Tags:          b.Tags,
		BuildArgs:     args,
		Labels:        b.Labels,
		Target:        b.Target,
		Platform:      b.Platform,
		NetworkMode:   b.Network,
		NoCache:       b.NoCache,
		PullParent:    b.Pull,
		Squash:        b.Squash,
		Remove:        true,
	})
	if err != nil {
		return "", c.fail(ctx, b.subject(), err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	return c.readBuild(ctx, b.subject(), resp.Body, on)
}

// readBuild follows the engine's messages. Source of truth: POST /build of the Engine API, with the
// BuildKit status in messages whose ID is moby.buildkit.trace.
func (c *Client) readBuild(ctx context.Context, subject string, body io.Reader, on func(Event)) (string, error) {
	tr := newTrace(on)
	var id string
	dec := json.NewDecoder(body)
	for {
		var m message
		if err := dec.Decode(&m); err == io.EOF { //nolint:errorlint // Decode returns it bare at the end of the stream
			break
		} else if err != nil {
			return "", c.fail(ctx, subject, err)
		}
		if m.ErrorDetail != nil {
			return "", tr.failure(m.ErrorDetail.Message)
		}
		switch m.ID {
		case "moby.buildkit.trace":
			if err := tr.status(m.Aux); err != nil {
				return "", fmt.Errorf("%s: read progress: %w", subject, err)
			}
		case "moby.image.id":
			var result struct{ ID string }
			if err := json.Unmarshal(m.Aux, &result); err != nil {
				return "", fmt.Errorf("%s: read the result: %w", subject, err)
			}
			id = result.ID
		}
	}
	if id == "" {
		return "", c.fail(ctx, subject, fmt.Errorf("the engine ended it without a result: %w", io.ErrUnexpectedEOF))
	}
	return id, nil
}
