//go:build docker

package builder

import (
	"context"
	"encoding/base64"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

const scratchFile = `FROM scratch
ARG WHO
LABEL who=$WHO
COPY function /function
`

// dockerRequest is a request for an image that is removed after the test.
func dockerRequest(t *testing.T, d *Docker, c *Context, outputs ...OutputKind) Request {
	t.Helper()
	req := Request{Context: c, Image: enginetest.Name("faas-cli-test/fn") + ":1", Labels: map[string]string{enginetest.Label: t.Name()}}
	for _, o := range outputs {
		req.Outputs = append(req.Outputs, Output{Kind: o})
	}
	enginetest.RemoveImage(t, d.Client, req.Image)
	return req
}

func dockerProject(t *testing.T, dockerfile string) *project {
	t.Helper()
	return newProject(t, map[string]string{
		"template/tpl/Dockerfile": dockerfile,
		"fn/handler.txt":          "one",
	})
}

func newDocker(t *testing.T, p *project) *Docker {
	t.Helper()
	return &Docker{Client: enginetest.Connect(t), Project: p.dir}
}

func TestDockerBuildsWhatChanged(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	d := newDocker(t, p)
	req := dockerRequest(t, d, p.mustPrepare(t), OutputEngine)
	req.Args = map[string]string{"WHO": "me"}
	var mu sync.Mutex
	var steps []string
	build := func() Result {
		t.Helper()
		req.Context = p.mustPrepare(t)
		res, err := Build(t.Context(), SkipUnchanged(d, nil), req, func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == EventStep {
				steps = append(steps, e.Text)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := build()
	if first.Skipped || first.Digest == "" || len(first.Platforms) != 1 {
		t.Errorf("result %+v", first)
	}
	if all := strings.Join(steps, "\n"); !strings.Contains(all, "COPY function") {
		t.Errorf("steps:\n%s", all)
	}
	img, err := d.Client.Image(t.Context(), req.Image)
	if err != nil || img.ID != first.Digest.String() || img.Labels["who"] != "me" {
		t.Errorf("image %+v, %v", img, err)
	}
	if again := build(); !again.Skipped || again.Digest != first.Digest {
		t.Errorf("an unchanged build: %+v", again)
	}
	p.write(t, "fn/handler.txt", "two")
	if changed := build(); changed.Skipped || changed.Digest == first.Digest {
		t.Errorf("a changed handler: %+v", changed)
	}
	req.Args["WHO"] = "you"
	if changed := build(); changed.Skipped {
		t.Errorf("a changed argument: %+v", changed)
	}
	req.Force = true
	if forced := build(); forced.Skipped {
		t.Errorf("a forced build: %+v", forced)
	}
}

func TestDockerRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	d := newDocker(t, p)
	for name, change := range map[string]func(*Request){
		"several platforms": func(r *Request) {
			r.Platforms = []Platform{{"linux", "amd64", ""}, {"linux", "arm64", ""}}
			r.Outputs = []Output{{Kind: OutputEngine}}
		},
		`"oci"`:  func(r *Request) { r.Outputs = []Output{{Kind: OutputOCI, Dest: "x"}} },
		"squash": func(r *Request) { r.Squash = true },
	} {
		req := dockerRequest(t, d, p.mustPrepare(t))
		change(&req)
		_, err := Build(t.Context(), d, req, nil)
		var refused *UnsupportedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDockerNamesTheBaseImageItCannotHave(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, "FROM 127.0.0.1:1/none/such:1\n")
	d := newDocker(t, p)
	_, err := d.Build(t.Context(), dockerRequest(t, d, p.mustPrepare(t)), func(Event) {})
	var base *BaseImageError
	if !errors.As(err, &base) || base.Image != "127.0.0.1:1/none/such:1" || base.Native {
		t.Errorf("error %v", err)
	}
}

func TestDockerPushesAndSaves(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	d := newDocker(t, p)
	srv := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(&strings.Builder{}, "", 0))))
	t.Cleanup(srv.Close)
	req := dockerRequest(t, d, p.mustPrepare(t))
	req.Image = strings.TrimPrefix(srv.URL, "http://") + "/me/fn:1"
	req.ExtraTags = []string{"extra"}
	archive := filepath.Join(t.TempDir(), "fn.tar")
	req.Outputs = []Output{{Kind: OutputRegistry}, {Kind: OutputTar, Dest: archive}}
	enginetest.RemoveImage(t, d.Client, req.Image)
	enginetest.RemoveImage(t, d.Client, strings.TrimSuffix(req.Image, "1")+"extra")
	res, err := Build(t.Context(), d, req, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1", "extra"} {
		digest, err := crane.Digest(strings.TrimSuffix(req.Image, "1") + tag)
		if err != nil || digest != res.Digest.String() {
			t.Errorf("registry has %s as %s, %v; pushed %s", tag, digest, err, res.Digest)
		}
	}
	if _, err := tarball.ImageFromPath(archive, nil); err != nil {
		t.Errorf("archive: %v", err)
	}
	// Another function of the same image name in a registry that has gone.
	srv.Close()
	req.Force = true
	if _, err := Build(t.Context(), d, req, nil); err == nil || !strings.Contains(err.Error(), "push") {
		t.Errorf("a registry that has gone: %v", err)
	}
}

func TestDockerPushesWithTheProjectsAccount(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	store := ggcr.New(ggcr.Logger(log.New(&strings.Builder{}, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	connect := func(accounts ...*engine.Credentials) *Docker {
		c, err := engine.Connect(t.Context(), engine.Options{Lookup: os.LookupEnv, Accounts: accounts})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return &Docker{Client: c, Project: p.dir}
	}
	d := connect(&engine.Credentials{Dir: filepath.Join(p.dir, "credentials")})
	req := dockerRequest(t, d, p.mustPrepare(t), OutputRegistry)
	req.Image = host + "/me/fn:1"
	enginetest.RemoveImage(t, d.Client, req.Image)
	if _, err := Build(t.Context(), connect(), req, nil); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("pushed without an account: %v", err)
	}
	p.write(t, "credentials/config.json", `{"auths":{"`+host+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("me:s3cret"))+`"}}}`)
	if _, err := Build(t.Context(), d, req, nil); err != nil {
		t.Error(err)
	}
}

func TestDockerRecordsWhatItSent(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, "FROM scratch\nCOPY sent /sent\n")
	p.write(t, "template/tpl/sent", "as fingerprinted")
	d := newDocker(t, p)
	edited := false
	keeper := editedKeeper{d, func() {
		if !edited {
			edited = true
			p.write(t, "template/tpl/sent", "edited before it was sent")
		}
	}}
	req := dockerRequest(t, d, p.mustPrepare(t), OutputEngine)
	build := func() (Result, error) {
		req.Context = p.mustPrepare(t)
		return SkipUnchanged(keeper, nil).Build(t.Context(), req, func(Event) {})
	}
	var changed *ChangedError
	if _, err := build(); !errors.As(err, &changed) {
		t.Fatalf("a file changed between fingerprint and build: %v", err)
	}
	if _, err := d.Client.Image(t.Context(), req.Image); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an image of it: %v", err)
	}
	if res, err := build(); err != nil || res.Skipped {
		t.Errorf("the build after that: %+v, %v", res, err)
	}
}

// editedKeeper changes something between fingerprint and build.
type editedKeeper struct {
	*Docker
	edit func()
}

func (k editedKeeper) Build(ctx context.Context, req Request, on func(Event)) (Result, error) {
	k.edit()
	return k.Docker.Build(ctx, req, on)
}

func TestDockerWarnsWithoutSSHAgent(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	d := newDocker(t, p)
	req := dockerRequest(t, d, p.mustPrepare(t), OutputEngine)
	req.SSH = true
	var mu sync.Mutex
	var warnings []string
	if _, err := Build(t.Context(), d, req, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == EventWarning {
			warnings = append(warnings, e.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "SSH_AUTH_SOCK") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestDockerPublishesAnIndex(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, "FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY function /function\n")
	d := newDocker(t, p)
	d.Registry.Transport = http.DefaultTransport
	srv := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(&strings.Builder{}, "", 0))))
	t.Cleanup(srv.Close)
	req := dockerRequest(t, d, p.mustPrepare(t), OutputRegistry)
	req.Image = strings.TrimPrefix(srv.URL, "http://") + "/me/fn:1"
	req.ExtraTags = []string{"extra"}
	req.Platforms = []Platform{{"linux", "amd64", ""}, {"linux", "arm64", ""}}
	res, err := Build(t.Context(), d, req, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := crane.Pull(repository(req.Image)+":extra", crane.WithPlatform(&v1.Platform{OS: "linux", Architecture: arch}))
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil || file.Architecture != arch || file.Config.Labels["arch"] != arch {
			t.Errorf("%s: %+v, %v", arch, file, err)
		}
	}
	if digest, err := crane.Digest(req.Image); err != nil || digest != res.Digest.String() {
		t.Errorf("digest %s, %v; want %s", digest, err, res.Digest)
	}
	names, err := d.Client.ImageNames(t.Context(), repository(req.Image))
	if err != nil || len(names) != 0 {
		t.Errorf("names left in the engine: %v, %v", names, err)
	}
}

func TestDockerNeverRunsDocker(t *testing.T) {
	p := dockerProject(t, scratchFile)
	bin, ran := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	for _, name := range []string{"docker", "buildx", "docker-buildx"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho "+name+" \"$@\" >> "+ran+"\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	d := newDocker(t, p)
	srv := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(&strings.Builder{}, "", 0))))
	t.Cleanup(srv.Close)
	req := dockerRequest(t, d, p.mustPrepare(t), OutputRegistry)
	req.Image = strings.TrimPrefix(srv.URL, "http://") + "/me/fn:1"
	enginetest.RemoveImage(t, d.Client, req.Image)
	if _, err := Build(t.Context(), SkipUnchanged(d, nil), req, nil); err != nil {
		t.Fatal(err)
	}
	if log, err := os.ReadFile(ran); err == nil {
		t.Errorf("programs that were run:\n%s", log)
	}
}

func TestDockerEngineAway(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	proxy, c := enginetest.NewProxy(t)
	d := &Docker{Client: c, Project: p.dir}
	proxy.Cut()
	_, err := Build(t.Context(), d, dockerRequest(t, newDocker(t, p), p.mustPrepare(t)), nil)
	if !engine.IsUnavailable(err) {
		t.Errorf("error %v", err)
	}
}

func TestDockerReadsSecrets(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{
		"template/tpl/Dockerfile": "FROM scratch\nCOPY program /program\nRUN --mount=type=secret,id=s [\"/program\", \"copy\", \"/run/secrets/s\", \"/copied\"]\n",
		"fn/handler.txt":          "one",
		"secret":                  "hidden",
	})
	if err := os.WriteFile(filepath.Join(p.dir, "template/tpl/program"), enginetest.FunctionProgram(t), 0o755); err != nil {
		t.Fatal(err)
	}
	d := newDocker(t, p)
	req := dockerRequest(t, d, p.mustPrepare(t))
	req.NoCache = true // what a cached step said is not told again
	req.Secrets = []Secret{{ID: "s", Path: filepath.Join(p.dir, "secret")}}
	var mu sync.Mutex
	var lines []string
	if _, err := d.Build(t.Context(), req, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == EventLog {
			lines = append(lines, e.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || lines[0] != "copied 6 bytes" {
		t.Errorf("log %q", lines)
	}
}

func TestDockerEngineGoesAwayInTheMiddle(t *testing.T) {
	t.Parallel()
	p := dockerProject(t, scratchFile)
	proxy, c := enginetest.NewProxy(t)
	req := dockerRequest(t, newDocker(t, p), p.mustPrepare(t), OutputEngine)
	var once sync.Once
	_, err := (&Docker{Client: c, Project: p.dir}).Build(t.Context(), req, func(e Event) {
		if e.Kind == EventStep {
			once.Do(proxy.Cut)
		}
	})
	if err == nil {
		t.Fatal("the build ended well without its engine")
	}
	if _, err := newDocker(t, p).Build(t.Context(), req, func(Event) {}); err != nil {
		t.Errorf("the next build: %v", err)
	}
}
