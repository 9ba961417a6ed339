package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// remoteBuilder is the other side of the protocol: it verifies signatures,
// reads the tar and opens the sealed secrets.
type remoteBuilder struct {
	t      *testing.T
	secret string
	key    SealPrivateKey
	answer string
	status int

	names   []string
	files   map[string]string
	modes   map[string]int64
	secrets map[string][]byte
	got     http.Header
}

func newRemoteBuilder(t *testing.T) (*remoteBuilder, *Remote) {
	t.Helper()
	key, err := NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	b := &remoteBuilder{t: t, secret: "s3cret", key: key, status: http.StatusOK,
		answer: `{"log":["step 1","step 2\n"],"status":"in_progress"}` + "\n" + `{"image":"me/fn:1","status":"success","duration":1.5}` + "\n"}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL + "/ignored/path")
	if err != nil {
		t.Fatal(err)
	}
	return b, &Remote{URL: u, Secret: []byte("s3cret"), HTTP: srv.Client(), UserAgent: "faas-cli/test"}
}

func (b *remoteBuilder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/publickey" {
		public, _ := b.key.Public()
		fmt.Fprintf(w, `{"key_id":%q,"algorithm":"nacl/box","public_key":%q}`, public.ID(), public)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/build" {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	mac := hmac.New(sha256.New, []byte(b.secret))
	mac.Write(body)
	if r.Header.Get("X-Build-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	b.got = r.Header
	b.read(body)
	w.WriteHeader(b.status)
	_, _ = io.WriteString(w, b.answer)
}

func (b *remoteBuilder) read(body []byte) {
	b.files, b.modes = map[string]string{}, map[string]int64{}
	for r := tar.NewReader(bytes.NewReader(body)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.t.Errorf("tar: %v", err)
			return
		}
		content, err := io.ReadAll(r)
		if err != nil {
			b.t.Errorf("tar: %v", err)
		}
		b.names = append(b.names, h.Name)
		b.files[h.Name], b.modes[h.Name] = string(content), h.Mode
	}
	if sealed, ok := b.files[remoteSecrets]; ok {
		var err error
		if b.secrets, err = Unseal(b.key, []byte(sealed)); err != nil {
			b.t.Errorf("unseal: %v", err)
		}
	}
}

func remoteRequest(t *testing.T, p *project) Request {
	t.Helper()
	return Request{Context: p.mustPrepare(t), Image: "me/fn:1", Args: map[string]string{"ADDITIONAL_PACKAGE": "", "A": "b"}}
}

func TestRemoteSendsOneSignedTar(t *testing.T) {
	t.Parallel()
	b, remote := newRemoteBuilder(t)
	p := newProject(t, basics())
	p.write(t, "tok.txt", "token\n")
	req := remoteRequest(t, p)
	req.Secrets = []Secret{{ID: "tok", Path: filepath.Join(p.dir, "tok.txt")}}
	var err error
	if req.Platforms, err = ParsePlatforms("linux/amd64,linux/arm64"); err != nil {
		t.Fatal(err)
	}
	var log eventLog
	if _, err := remote.Build(t.Context(), req, log.on); err != nil {
		t.Fatal(err)
	}
	if want := `{"image":"me/fn:1","buildArgs":{"A":"b","ADDITIONAL_PACKAGE":""},"platforms":["linux/amd64","linux/arm64"]}`; b.files[remoteConfig] != want {
		t.Errorf("configuration = %s\nwant %s", b.files[remoteConfig], want)
	}
	if b.names[0] != "context/" || b.files["context/function/h.txt"] != "mine\n" || b.modes["context/run.sh"] != 0o755 {
		t.Errorf("entries = %q", b.names)
	}
	if b.modes[remoteSecrets] != 0o600 || string(b.secrets["tok"]) != "token\n" {
		t.Errorf("secrets = %q, mode %o", b.secrets, b.modes[remoteSecrets])
	}
	if b.got.Get("Accept") != "application/x-ndjson" || b.got.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("headers = %v", b.got)
	}
	if got := log.text(EventLog); got != "step 1\nstep 2" {
		t.Errorf("log = %q", got)
	}
}

func TestRemoteRecognisesEveryFailure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*remoteBuilder, *Remote)
		want   string
	}{
		"failed":            {func(b *remoteBuilder, _ *Remote) { b.answer = `{"status":"failed","error":"boom"}` }, `"me/fn:1" failed: boom`},
		"failure":           {func(b *remoteBuilder, _ *Remote) { b.answer = `{"status":"failure","error":"boom"}` }, "boom"},
		"no final status":   {func(b *remoteBuilder, _ *Remote) { b.answer = `{"status":"in_progress"}` }, "succeeded"},
		"nothing":           {func(b *remoteBuilder, _ *Remote) { b.answer = "" }, "succeeded"},
		"malformed":         {func(b *remoteBuilder, _ *Remote) { b.answer = `{"status":"success"` }, "answer"},
		"cut in a long log": {func(b *remoteBuilder, _ *Remote) { b.answer = `{"log":["` + strings.Repeat("x", 1<<20) }, "answer"},
		"status 500":        {func(b *remoteBuilder, _ *Remote) { b.status, b.answer = 500, "nope" }, "500: nope"},
		"wrong secret":      {func(_ *remoteBuilder, r *Remote) { r.Secret = []byte("other") }, "401"},
		"no secret":         {func(_ *remoteBuilder, r *Remote) { r.Secret = nil }, "empty"},
		"not there":         {func(_ *remoteBuilder, r *Remote) { r.URL = &url.URL{Scheme: "http", Host: "127.0.0.1:1"} }, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, remote := newRemoteBuilder(t)
			c.change(b, remote)
			_, err := remote.Build(t.Context(), remoteRequest(t, newProject(t, basics())), func(Event) {})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v; want one with %q", err, c.want)
			}
		})
	}
}

func TestRemoteReadsLongLines(t *testing.T) {
	t.Parallel()
	b, remote := newRemoteBuilder(t)
	b.answer = `{"log":["` + strings.Repeat("x", 1<<20) + `"]}` + "\n" + `{"status":"success"}`
	if _, err := remote.Build(t.Context(), remoteRequest(t, newProject(t, basics())), func(Event) {}); err != nil {
		t.Error(err)
	}
}

func TestRemoteRefusesWhatItCannotTransmit(t *testing.T) {
	t.Parallel()
	_, remote := newRemoteBuilder(t)
	for what, change := range map[string]func(*Request){
		"--build-label": func(r *Request) { r.Labels = map[string]string{"a": "b"} },
		"--no-cache":    func(r *Request) { r.NoCache = true },
		"--pull":        func(r *Request) { r.Pull = true },
		"--squash":      func(r *Request) { r.Squash = true },
		"--extra-tag":   func(r *Request) { r.ExtraTags = []string{"x"} },
		"mount_ssh":     func(r *Request) { r.SSH = true },
	} {
		req := remoteRequest(t, newProject(t, basics()))
		change(&req)
		if _, err := Build(t.Context(), remote, req, nil); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error = %v", what, err)
		}
	}
}

func TestRemoteKeyOfTheBuilder(t *testing.T) {
	t.Parallel()
	b, remote := newRemoteBuilder(t)
	public, err := b.key.Public()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", public.String(), " " + public.String() + "\n", `{"public_key":"` + public.String() + `"}`} {
		remote.PublicKey = text
		if got, err := remote.key(t.Context()); err != nil || got != public {
			t.Errorf("key %q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`{"algorithm":"rsa","public_key":"x"}`: "unsupported build secrets algorithm: rsa",
		`{"algorithm":"nacl/box"}`:             "invalid build secrets public key",
		"AAAA":                                 "invalid build secrets public key",
	} {
		remote.PublicKey = text
		if _, err := remote.key(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("key %q: error = %v; want %q", text, err, want)
		}
	}
	remote.PublicKey = ""
	remote.URL = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	if _, err := remote.key(t.Context()); err == nil {
		t.Error("no builder, but a key")
	}
}

func TestReadPayloadSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for content, want := range map[string]string{" s3cret\n": "s3cret", "\n": ""} {
		path := filepath.Join(dir, "payload.txt")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPayloadSecret(path)
		if string(got) != want || (want == "") != (err != nil) {
			t.Errorf("content %q: %q, %v", content, got, err)
		}
	}
	if _, err := ReadPayloadSecret(filepath.Join(dir, "missing.txt")); err == nil || !strings.Contains(err.Error(), "missing.txt") {
		t.Errorf("error = %v", err)
	}
}

func TestRemoteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-hold
	}))
	defer srv.Close()
	defer close(hold)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	remote := &Remote{URL: u, Secret: []byte("x"), HTTP: srv.Client()}
	why := errors.New("interrupt")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = remote.Build(ctx, remoteRequest(t, newProject(t, basics())), func(e Event) {
		if e.Text == "building remotely" {
			cancel(why)
		}
	})
	if !errors.Is(err, why) {
		t.Errorf("error = %v; want the cause of the end", err)
	}
}
