package plugin_test

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/faas-cli/faas-cli/internal/plugin"
)

type file struct{ name, content string }

// archive returns a tar of files.
func archive(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(f.content, "-> "); ok {
			h.Typeflag, h.Linkname, h.Size, f.content = tar.TypeSymlink, target, 0, ""
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// image returns one of a single layer.
func image(t *testing.T, files ...file) v1.Image {
	t.Helper()
	content := archive(t, files...)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// push starts a registry that holds img as acme/pro:latest.
func push(t *testing.T, img v1.Image) (host string, digest v1.Hash) {
	t.Helper()
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	host = strings.TrimPrefix(srv.URL, "http://")
	write(t, host+"/acme/pro:latest", img)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return host, digest
}

func write(t *testing.T, ref string, img v1.Image) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, img); err != nil {
		t.Fatal(err)
	}
}

func TestGetTakesOneFile(t *testing.T) {
	t.Parallel()
	host, digest := push(t, image(t, file{"usr/local/bin/pro", "#!/bin/sh\n"}, file{"list", "shadow"}, file{"etc/pro.conf", "x"}))
	dir := filepath.Join(t.TempDir(), "plugins")
	for _, version := range []string{"latest", digest.String()} {
		res, err := plugin.Get(t.Context(), plugin.Request{
			Name: "pro", Registry: host + "/acme", Version: version, OS: "Linux", Arch: "x86_64", Dir: dir,
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Path != filepath.Join(dir, "pro") || res.Digest != digest.String() || res.Size != 10 {
			t.Errorf("result %+v", res)
		}
	}
	if names := plugin.List(dir); len(names) != 1 || names[0] != "pro" {
		t.Errorf("plugins: %q", names)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("folder has %d entries, %v; want the plugin alone", len(entries), err)
	}
}

// TestGetRefuses also checks that what was installed before stays, and that
// nothing is left behind.
func TestGetRefuses(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		name, version string
		files         []file
		want          string
	}{
		"name with a path":   {"../pro", "latest", nil, "not a plugin name"},
		"hidden name":        {".pro", "latest", nil, "not a plugin name"},
		"no such file":       {"pro", "latest", []file{{"tool", "x"}}, "no file named"},
		"link":               {"pro", "latest", []file{{"pro", "-> /etc/passwd"}}, "no file named"},
		"two":                {"pro", "latest", []file{{"a/pro", "x"}, {"b/pro", "y"}}, "two files"},
		"empty":              {"pro", "latest", []file{{"pro", ""}}, "empty"},
		"digest of another":  {"pro", "sha256:" + strings.Repeat("0", 64), []file{{"pro", "x"}}, "fetch"},
		"version not a name": {"pro", "la test", []file{{"pro", "x"}}, "la test"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			host, _ := push(t, image(t, tt.files...))
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "pro"), []byte("old"), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := plugin.Get(t.Context(), plugin.Request{Name: tt.name, Registry: host + "/acme", Version: tt.version, Dir: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want one with %q", err, tt.want)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "pro")); err != nil || string(b) != "old" {
				t.Errorf("the old plugin became %q, %v", b, err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("folder has %d entries, %v", len(entries), err)
			}
		})
	}
}

func TestGetRefusesLayerOfAnotherDigest(t *testing.T) {
	t.Parallel()
	// With the padding that tar itself writes, which who unpacks it never reads.
	content := append(archive(t, file{"pro", "good"}), make([]byte, 8<<10)...)
	layer := static.NewLayer(content, types.OCIUncompressedLayer)
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layer.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/blobs/"+digest.String()) {
			_, _ = w.Write(bytes.Replace(content, []byte("good"), []byte("evil"), 1))
			return
		}
		reg.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	write(t, host+"/acme/pro:latest", img)
	dir := t.TempDir()
	_, err = plugin.Get(t.Context(), plugin.Request{Name: "pro", Registry: host + "/acme", Version: "latest", Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "verifying") {
		t.Errorf("error %v; want one about the digest", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("folder has %d entries, %v", len(entries), err)
	}
}

func TestGetPicksPlatform(t *testing.T) {
	t.Parallel()
	idx := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"amd64", "arm64"} {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
			Add: image(t, file{"pro", arch}), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	ref, err := name.ParseReference(host + "/acme/pro:latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, idx); err != nil {
		t.Fatal(err)
	}
	r := plugin.Request{Name: "pro", Registry: host + "/acme", Version: "latest", OS: "linux", Arch: "aarch64", Dir: t.TempDir()}
	res, err := plugin.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(res.Path); err != nil || string(b) != "arm64" {
		t.Errorf("got the file of %q, %v", b, err)
	}
	r.Arch = "riscv64"
	if _, err := plugin.Get(t.Context(), r); err == nil || !strings.Contains(err.Error(), "riscv64") {
		t.Errorf("error %v; want one that names the platform", err)
	}
}

func TestGetVerifiesSignature(t *testing.T) {
	t.Parallel()
	img := image(t, file{"pro", "x"})
	host, digest := push(t, img)
	key, public := newKey(t)
	_, otherPublic := newKey(t)
	r := plugin.Request{Name: "pro", Registry: host + "/acme", Version: "latest", Dir: t.TempDir(), PublicKey: public}
	if _, err := plugin.Get(t.Context(), r); err == nil || !strings.Contains(err.Error(), "no signature") {
		t.Errorf("unsigned: error %v", err)
	}
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	for _, tt := range []struct {
		name   string
		signed v1.Hash
		public []byte
		ok     bool
	}{
		{"of another image", other, public, false},
		{"by another key", digest, otherPublic, false},
		{"right", digest, public, true},
	} {
		write(t, fmt.Sprintf("%s/acme/pro:sha256-%s.sig", host, digest.Hex), signature(t, key, tt.signed))
		r.PublicKey = tt.public
		if _, err := plugin.Get(t.Context(), r); (err == nil) != tt.ok {
			t.Errorf("signature %s: error %v", tt.name, err)
		}
	}
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// signature returns the image that cosign would attach.
func signature(t *testing.T, key *ecdsa.PrivateKey, digest v1.Hash) v1.Image {
	t.Helper()
	payload := []byte(`{"critical":{"identity":{"docker-reference":"acme/pro"},"image":{"docker-manifest-digest":"` +
		digest.String() + `"},"type":"cosign container image signature"},"optional":null}`)
	sum := sha256.Sum256(payload)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:       static.NewLayer(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestFindWantsExecutableFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no executable bit")
	}
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"pro": 0o755, "notes": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"pro": true, "notes": false, "folder": false, "absent": false, "../plugins/pro": false, "": false} {
		if _, ok, err := plugin.Find(dir, name); ok != want || err != nil {
			t.Errorf("Find(%q) = %v, %v; want %v", name, ok, err, want)
		}
	}
	if _, ok, err := plugin.Find(filepath.Join(dir, "none"), "pro"); ok || err != nil {
		t.Errorf("without the folder: %v, %v", ok, err)
	}
}
