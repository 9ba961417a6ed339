package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/sync/errgroup"
)

func randomImage(t *testing.T, size int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, 3)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// tag names a manifest.
func tag(t *testing.T, s *Store, name string, h v1.Hash) error {
	t.Helper()
	n, err := ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s.tag(n, h)
}

func TestStoreGivesBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := Open(filepath.Join(t.TempDir(), "images"))
	img := randomImage(t, 4096)
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.WriteImage(t.Context(), "me/fn:1.2", img)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	for _, name := range []string{"me/fn:1.2", "docker.io/me/fn:1.2", "me/fn@" + want.String()} {
		if h, ok, err := s.Resolve(name); h != want || !ok || err != nil {
			t.Errorf("Resolve(%q) = %v, %v, %v", name, h, ok, err)
		}
	}
	again, err := Open(s.dir).Image(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(again); err != nil {
		t.Error(err)
	}
	config, err := img.ConfigName() // under this a container engine knows the image
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Image(t.Context(), config); err == nil {
		t.Error("the configuration of an image was taken for its manifest")
	}
	if fi, err := os.Stat(s.dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("store folder is %v, %v", fi.Mode(), err)
	}
}

func TestStoreIndexOpensTheImageOfAPlatform(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	amd, arm := randomImage(t, 64), randomImage(t, 64)
	idx := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	h, err := s.WriteIndex(t.Context(), "me/fn", idx)
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.Index(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := read.IndexManifest(); err != nil || len(m.Manifests) != 2 {
		t.Errorf("index of %v, %v", m, err)
	}
	img, err := s.PlatformImage(t.Context(), h, v1.Platform{OS: "darwin", Architecture: "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := img.Digest()
	if want, _ := arm.Digest(); got != want {
		t.Errorf("image %s, want %s", got, want)
	}
	if _, err := s.PlatformImage(t.Context(), h, v1.Platform{OS: "linux", Architecture: "s390x"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing platform: %v", err)
	}
}

// lyingLayer says it is one layer and yields another.
type lyingLayer struct{ v1.Layer }

func (lyingLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("something else")), nil
}

func TestStoreRefusesContentThatIsNotItsDigest(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	l, err := random.Layer(64, "application/vnd.oci.image.layer.v1.tar+gzip")
	if err != nil {
		t.Fatal(err)
	}
	h, _ := l.Digest()
	if err := s.writeBlob(t.Context(), h, -1, strings.NewReader("something else")); !errors.Is(err, errDigest) {
		t.Errorf("wrong content: %v", err)
	}
	if err := s.writeLayer(t.Context(), lyingLayer{l}); err == nil {
		t.Error("a layer of another size was stored")
	}
	if s.hasBlob(h) {
		t.Error("the refused blob is in the store")
	}
	if left, _ := os.ReadDir(s.path("uploads")); len(left) != 0 {
		t.Errorf("uploads left behind: %v", left)
	}
}

func TestStoreNativeMarksOnlyWhatWasMarked(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	a, err := s.WriteImage(t.Context(), "a", randomImage(t, 16))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.WriteImage(t.Context(), "b", randomImage(t, 16))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MarkNative(a, "/usr/bin/python3"); err != nil {
		t.Fatal(err)
	}
	if s.Interpreter(a) != "/usr/bin/python3" || s.Interpreter(b) != "" {
		t.Errorf("interpreters: a %q, b %q", s.Interpreter(a), s.Interpreter(b))
	}
	if !s.Native(a) || s.Native(b) {
		t.Errorf("native: a %v, b %v", s.Native(a), s.Native(b))
	}
	if s.Native(v1.Hash{Algorithm: "sha256", Hex: "../native/" + a.Hex}) || s.MarkNative(v1.Hash{Hex: "../x"}, "") == nil {
		t.Error("a path passed as a digest")
	}
}

func TestStoreTagsMoveAndGo(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	if _, err := s.WriteImage(t.Context(), "localhost:5000/Me", randomImage(t, 16)); err == nil {
		t.Fatal("a repository in capitals was accepted")
	}
	first, err := s.WriteImage(t.Context(), "localhost:5000/me/fn:V1", randomImage(t, 16))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.WriteImage(t.Context(), "localhost:5000/me/fn:V1", randomImage(t, 16))
	if err != nil {
		t.Fatal(err)
	}
	if err := tag(t, s, "other:v1", first); err != nil {
		t.Fatal(err)
	}
	entries, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name.String()+" "+e.Digest.String())
	}
	want := "localhost:5000/me/fn:V1 " + second.String() + "\nother:v1 " + first.String()
	if strings.Join(got, "\n") != want {
		t.Errorf("list:\n%s\nwant:\n%s", strings.Join(got, "\n"), want)
	}
	if err := s.Untag(t.Context(), "other:v1"); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.Resolve("other:v1"); ok {
		t.Error("the removed name still resolves")
	}
	if err := s.Untag(t.Context(), "other:v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("second removal: %v", err)
	}
	if err := tag(t, s, "x", v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}); !errors.Is(err, ErrNotFound) {
		t.Errorf("tag of a missing manifest: %v", err)
	}
}

func TestParseNameRefusesWhatIsNoName(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", ":1", "a//b", "../a", "a/../b", "a/.b", "a b", "A", "a:", "a:-x", "a@sha256:12", "a/b:c/d",
		"_tags/x", "a/_tags", "a\x00", "a/b:5000/c", "a:" + strings.Repeat("x", 129), strings.Repeat("a", 256)} {
		if n, err := ParseName(bad); err == nil {
			t.Errorf("%q became %v", bad, n)
		}
	}
	for in, want := range map[string]string{
		"fn":                   "fn:latest",
		"docker.io/library/fn": "fn:latest",
		"reg.io:5000/x/b":      "reg.io:5000/x/b:latest",
		"a__b/c--d.e:V.1_x":    "a__b/c--d.e:V.1_x",
	} {
		if n, err := ParseName(in); err != nil || n.String() != want {
			t.Errorf("%q became %v, %v", in, n, err)
		}
	}
}

func TestStoreUploadGoesOnAfterBeingCut(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	content := bytes.Repeat([]byte("0123456789"), 1000)
	h, _, _ := v1.SHA256(bytes.NewReader(content))
	u, err := s.newUpload()
	if err != nil {
		t.Fatal(err)
	}
	u.Write(content[:4000])
	if err := u.suspend(); err != nil {
		t.Fatal(err)
	}
	if u, err = s.resumeUpload(u.id); err != nil {
		t.Fatal(err)
	}
	u.Write([]byte("a request that the crash cut off"))
	u.f.Close()
	if u, err = Open(s.dir).resumeUpload(u.id); err != nil {
		t.Fatal(err)
	}
	if u.size != 4000 {
		t.Errorf("resumed at %d", u.size)
	}
	u.Write(content[4000:])
	if err := u.commit(h); err != nil {
		t.Fatal(err)
	}
	f, size, err := s.blob(h)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, _ := io.ReadAll(f); !bytes.Equal(got, content) || size != int64(len(content)) {
		t.Errorf("%d bytes came back, size %d", len(got), size)
	}
	if _, err := s.resumeUpload("../../etc/passwd"); !errors.Is(err, errNoUpload) {
		t.Errorf("a path as upload: %v", err)
	}
}

func TestGCTakesOnlyWhatNothingNames(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	write := func(name string) v1.Hash {
		h, err := s.WriteImage(t.Context(), name, randomImage(t, 256))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	old, deployed := write("me/fn:1"), write("me/fn:1")
	current, other := write("me/fn:1"), write("gone/fn:1")
	if err := s.MarkNative(old, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Untag(t.Context(), "gone/fn:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.newUpload(); err != nil {
		t.Fatal(err)
	}

	if r, err := s.GC(t.Context(), GCOptions{Grace: time.Hour}); err != nil || r.Blobs != 0 {
		t.Errorf("within the grace time: %+v, %v", r, err)
	}
	opts := GCOptions{Keep: []v1.Hash{deployed}, Grace: -time.Second, DryRun: true}
	dry, err := s.GC(t.Context(), opts)
	if err != nil || !s.hasBlob(old) {
		t.Errorf("dry run: %v, has %v", err, s.hasBlob(old))
	}
	opts.DryRun = false
	r, err := s.GC(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if r != dry || r.Manifests != 2 || r.Blobs != 10 { // two images of manifest, configuration and three layers
		t.Errorf("collected %+v, dry run said %+v", r, dry)
	}
	for _, h := range []v1.Hash{deployed, current} {
		img, err := s.Image(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
	}
	if s.hasBlob(old) || s.hasBlob(other) || s.Native(old) {
		t.Error("an image without a name survived")
	}
	if exists(s.path("repos", "gone")) {
		t.Error("the folder of the empty repository survived")
	}
	if left, _ := os.ReadDir(s.path("uploads")); len(left) != 0 {
		t.Errorf("uploads survived: %v", left)
	}
}

func TestStoreSurvivesWritersAndACollectorAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img := randomImage(t, 1024)
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			s := Open(dir)
			for range 10 {
				h, err := s.WriteImage(t.Context(), "me/fn", img)
				if err != nil {
					return err
				}
				opened, err := s.Image(t.Context(), h)
				if err != nil {
					return err
				}
				if err := validate.Image(opened); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 5 {
		if _, err := Open(dir).GC(t.Context(), GCOptions{}); err != nil {
			t.Error(err)
		}
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStoreWaitingForTheLockEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	unlock, err := s.lock(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	cancel(why)
	if _, err := s.WriteImage(ctx, "fn", randomImage(t, 8)); !errors.Is(err, why) {
		t.Errorf("write ended with %v", err)
	}
}
