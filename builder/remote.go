package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// RemoteName is the name of the remote builder's engine.
const RemoteName = "remote"

// Entries of the tar that a remote builder is sent.
//
// Source of truth: the remote builder API of OpenFaaS.
const (
	remoteContext = "context"
	remoteConfig  = "com.openfaas.docker.config"
	remoteSecrets = "com.openfaas.secrets"
)

// maxErrorBody is how much of an answer is read that is an error, in bytes.
const maxErrorBody = 4 << 10

// Remote builds with OpenFaaS' remote builder, which also pushes the image: it
// is sent one signed tar a build.
type Remote struct {
	// URL of the builder; only scheme and host count.
	URL *url.URL
	// Secret signs what is sent. See [ReadPayloadSecret].
	Secret []byte
	// PublicKey is the text of the key that build secrets are sealed for, as
	// [ReadBuilderKey] returns it. Empty: the builder is asked for it.
	PublicKey string
	HTTP      *http.Client
	UserAgent string
}

var _ Engine = (*Remote)(nil)

// ReadPayloadSecret reads the file that holds the secret, blanks around it
// left out. An empty one signs nothing, so it is refused.
func ReadPayloadSecret(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read payload secret %q: %w", path, cause(err))
	}
	if content = bytes.TrimSpace(content); len(content) == 0 {
		return nil, fmt.Errorf("payload secret %q is empty", path)
	}
	return content, nil
}

// ReadBuilderKey takes the value of --builder-public-key: a file, or the key
// itself.
func ReadBuilderKey(value string) (string, error) {
	content, err := os.ReadFile(value)
	switch {
	case err == nil:
		return string(content), nil
	case strings.HasPrefix(strings.TrimSpace(value), "{"), errors.Is(err, fs.ErrNotExist):
		return value, nil
	}
	return "", fmt.Errorf("read builder public key %q: %w", value, cause(err))
}

// Capabilities: the builder pushes, and is told neither labels nor options.
func (r *Remote) Capabilities(context.Context) (Capabilities, error) {
	return Capabilities{
		Name: RemoteName, Identity: RemoteName,
		Outputs:       []OutputKind{OutputRegistry},
		Platform:      hostPlatform(),
		MultiPlatform: true, CrossPlatform: true,
		Secrets: true, Proxies: true, ShrinkWrap: true,
	}, nil
}

// remoteBuild is the configuration in the tar.
type remoteBuild struct {
	Image     string            `json:"image"`
	BuildArgs map[string]string `json:"buildArgs,omitempty"`
	Platforms []string          `json:"platforms,omitempty"`
}

// Build sends the context and follows the build. There is no digest in the
// result: the builder does not tell.
func (r *Remote) Build(ctx context.Context, req Request, on func(Event)) (Result, error) {
	tell := func(kind EventKind, text string) {
		on(Event{Function: req.Context.Function, Kind: kind, Text: text})
	}
	if len(r.Secret) == 0 {
		return Result{}, errors.New("payload secret is empty")
	}
	payload, err := r.payload(ctx, req)
	if err != nil {
		return Result{}, err
	}
	tell(EventStep, "signing the context")
	signature, size, err := payload.sign(ctx, r.Secret)
	if err != nil {
		return Result{}, err
	}
	tell(EventStep, "sending the context")
	res, err := r.send(ctx, payload, signature, size)
	if err != nil {
		return Result{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
		return Result{}, fmt.Errorf("remote builder %s answered with status code %d%s", r.URL.Host, res.StatusCode, excerpt(res.Body))
	}
	tell(EventStep, "building remotely")
	if err := follow(res.Body, req.Image, tell); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Result{}, err
	}
	return Result{Platforms: req.Platforms}, nil
}

// send posts the payload, of size bytes, and returns the builder's answer,
// whose body the caller closes.
func (r *Remote) send(ctx context.Context, payload *remotePayload, signature []byte, size int64) (*http.Response, error) {
	body, writer := newPipe()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.endpoint("/build"), body)
	if err != nil {
		return nil, err
	}
	post.ContentLength = size
	post.Header.Set("X-Build-Signature", "sha256="+hex.EncodeToString(signature))
	post.Header.Set("Content-Type", "application/octet-stream")
	post.Header.Set("Accept", "application/x-ndjson")
	r.agent(post)
	sent := make(chan error, 1)
	go func() { // ends with the pipe, which the request or we close
		again := hmac.New(sha256.New, r.Secret)
		err := payload.write(ctx, io.MultiWriter(writer, again))
		if err == nil && !hmac.Equal(again.Sum(nil), signature) {
			err = errors.New("the context changed while it was sent")
		}
		_ = writer.CloseWithError(err)
		sent <- err
	}()
	res, err := r.HTTP.Do(post)
	_ = body.Close()
	if local := <-sent; local != nil && !errors.Is(local, errPipeClosed) {
		if res != nil {
			_ = res.Body.Close()
		}
		return nil, local // what went wrong here is why the builder is unhappy
	}
	if err != nil {
		return nil, r.unreachable(ctx, err)
	}
	return res, nil
}

// endpoint is a path of the builder.
func (r *Remote) endpoint(path string) string {
	u := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: path}
	return u.String()
}

func (r *Remote) agent(req *http.Request) {
	if r.UserAgent != "" {
		req.Header.Set("User-Agent", r.UserAgent)
	}
}

func (r *Remote) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("remote builder %s: %w", r.URL.Host, err)
}

// excerpt is the beginning of an answer that is an error.
func excerpt(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, maxErrorBody)) // what there is will do
	if t := strings.TrimSpace(string(text)); t != "" {
		return ": " + t
	}
	return ""
}

// remotePayload is the tar, which is written twice: to be signed, and to be
// sent, so that no context has to fit into memory.
type remotePayload struct {
	tree    *node
	config  []byte
	secrets []byte // sealed; nil: none
}

func (r *Remote) payload(ctx context.Context, req Request) (*remotePayload, error) {
	config := remoteBuild{Image: req.Image, BuildArgs: req.Args}
	for _, p := range req.Platforms {
		config.Platforms = append(config.Platforms, p.String())
	}
	p := &remotePayload{tree: req.Context.sent}
	var err error
	if p.config, err = json.Marshal(config); err != nil {
		return nil, err
	}
	if len(req.Secrets) == 0 {
		return p, nil
	}
	values := map[string][]byte{}
	for _, s := range req.Secrets {
		if values[s.ID], err = os.ReadFile(s.Path); err != nil {
			return nil, fmt.Errorf("build secret %q: read %q: %w", s.ID, s.Path, cause(err))
		}
	}
	key, err := r.key(ctx)
	if err != nil {
		return nil, err
	}
	if p.secrets, err = Seal(key, values); err != nil {
		return nil, err
	}
	return p, nil
}

// write writes the tar.
func (p *remotePayload) write(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	top := &tar.Header{Name: remoteContext + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0)}
	if err := tw.WriteHeader(top); err != nil {
		return err
	}
	if err := writeTree(ctx, tw, p.tree, remoteContext, exactMode); err != nil {
		return err
	}
	files := []struct {
		name    string
		mode    int64
		content []byte
	}{{remoteConfig, 0o664, p.config}, {remoteSecrets, 0o600, p.secrets}}
	for _, f := range files {
		if f.content == nil {
			continue
		}
		h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: f.mode, Size: int64(len(f.content)), ModTime: time.Unix(0, 0)}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(f.content); err != nil {
			return err
		}
	}
	return tw.Close()
}

// sign returns the signature of the tar and its size in bytes.
func (p *remotePayload) sign(ctx context.Context, secret []byte) ([]byte, int64, error) {
	mac := hmac.New(sha256.New, secret)
	counted := &countingWriter{w: mac}
	err := p.write(ctx, counted)
	return mac.Sum(nil), counted.n, err
}

// remoteKey is a builder's public key as it publishes it.
type remoteKey struct {
	Algorithm string `json:"algorithm"`
	PublicKey string `json:"public_key"`
}

// key is what build secrets are sealed for.
func (r *Remote) key(ctx context.Context) (SealPublicKey, error) {
	text := strings.TrimSpace(r.PublicKey)
	if text == "" {
		var err error
		if text, err = r.fetchKey(ctx); err != nil {
			return SealPublicKey{}, err
		}
	}
	if strings.HasPrefix(text, "{") {
		var k remoteKey
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			return SealPublicKey{}, fmt.Errorf("builder public key: %w", err)
		}
		if k.Algorithm != "" && k.Algorithm != sealAlgorithm {
			return SealPublicKey{}, fmt.Errorf("unsupported build secrets algorithm: %s", k.Algorithm)
		}
		text = k.PublicKey
	}
	key, err := ParseSealPublicKey(text)
	if err != nil {
		return SealPublicKey{}, fmt.Errorf("invalid build secrets public key: expected base64-encoded 32-byte Curve25519 key: %w", err)
	}
	return key, nil
}

func (r *Remote) fetchKey(ctx context.Context) (string, error) {
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, r.endpoint("/publickey"), nil)
	if err != nil {
		return "", err
	}
	r.agent(get)
	res, err := r.HTTP.Do(get)
	if err != nil {
		return "", r.unreachable(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetch public key of remote builder %s: status code %d%s", r.URL.Host, res.StatusCode, excerpt(res.Body))
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		return "", r.unreachable(ctx, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// remoteStatus is one line of a builder's answer.
type remoteStatus struct {
	Log    []string `json:"log"`
	Status string   `json:"status"`
	Error  string   `json:"error"`
}

// follow reads the answer about an image to its end. Only one that says success is a success:
// a stream that breaks off is not.
func follow(body io.Reader, image string, tell func(EventKind, string)) error {
	succeeded := false
	for lines := json.NewDecoder(body); ; {
		var s remoteStatus
		err := lines.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("answer of the remote builder: %w", err)
		}
		for _, line := range s.Log {
			tell(EventLog, strings.TrimRight(line, "\r\n"))
		}
		switch s.Status {
		case "success":
			succeeded = true
		case "failed", "failure":
			return fmt.Errorf("remote build of %q failed: %s", image, s.Error)
		}
	}
	if !succeeded {
		return errors.New("the answer of the remote builder ended without saying that the build succeeded")
	}
	return nil
}
