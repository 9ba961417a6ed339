//go:build docker

package engine_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// BenchmarkDockerManyFiles changes one of 30,000 small files. It reports, in the best round, when the engine asked for
// that file in multiples of a stat walk; in the worst, the bytes of files that were sent and all that crossed the
// socket, most of which describes the files.
func BenchmarkDockerManyFiles(b *testing.B) {
	p, c := enginetest.NewProxy(b)
	dir := b.TempDir()
	put := func(name, content string) {
		b.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	put("Dockerfile", "FROM scratch\nCOPY tree /tree\n")
	for i := range 30000 {
		put(fmt.Sprintf("tree/%d/%d", i%300, i), fmt.Sprintf("file number %d", i))
	}
	const changed = "tree/7/7"
	name := enginetest.Name("faas-cli-test/many") + ":1"
	enginetest.RemoveImage(b, c, name)
	build := func() (began time.Time, tree *askedFS) {
		tree = &askedFS{FS: os.DirFS(dir), name: changed}
		began = time.Now()
		if _, err := c.Build(b.Context(), engine.Build{Context: tree, Key: b.Name(), Tags: []string{name}}, nil); err != nil {
			b.Fatal(err)
		}
		return began, tree
	}
	build()
	n, walks, sent, crossed := 0, math.Inf(1), int64(0), int64(0)
	for b.Loop() {
		n++
		began := time.Now()
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil {
				_, err = d.Info()
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		walk := time.Since(began)
		put(changed, fmt.Sprintf("content number %d", n))
		before := p.Sent()
		began, tree := build()
		walks = min(walks, float64(tree.at.Sub(began))/float64(walk))
		sent, crossed = max(sent, tree.read.Load()), max(crossed, p.Sent()-before)
	}
	b.ReportMetric(walks, "walks-until-asked")
	b.ReportMetric(float64(sent), "file-bytes")
	b.ReportMetric(float64(crossed), "socket-bytes")
}

// askedFS notes when a file was asked for, and how much of all files was read.
type askedFS struct {
	fs.FS
	name string
	at   time.Time
	read atomic.Int64
}

func (a *askedFS) Open(name string) (fs.File, error) {
	if name == a.name {
		a.at = time.Now()
	}
	f, err := a.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if d, ok := f.(fs.ReadDirFile); ok {
		if info, err := d.Stat(); err == nil && info.IsDir() {
			return d, nil
		}
	}
	return readCounter{f, &a.read}, nil
}

type readCounter struct {
	fs.File
	total *atomic.Int64
}

func (r readCounter) Read(p []byte) (int, error) {
	n, err := r.File.Read(p)
	r.total.Add(int64(n))
	return n, err
}

// BenchmarkDockerUnchanged builds what did not change, which the engine answers from its cache, beside the least that
// any client has to do for that: one request without a session, whose body is the context.
func BenchmarkDockerUnchanged(b *testing.B) {
	c := enginetest.Connect(b)
	dir := b.TempDir()
	content := map[string][]byte{"Dockerfile": []byte("FROM scratch\nCOPY file /file\n"), "file": bytes.Repeat([]byte("x"), 2<<20)}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if err := os.WriteFile(filepath.Join(dir, name), content[name], 0o644); err != nil {
			b.Fatal(err)
		}
		if err := tw.WriteHeader(&tar.Header{Name: name, Size: int64(len(content[name])), Mode: 0o644}); err != nil {
			b.Fatal(err)
		}
		if _, err := tw.Write(content[name]); err != nil {
			b.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		b.Fatal(err)
	}
	name := enginetest.Name("faas-cli-test/unchanged") + ":1"
	enginetest.RemoveImage(b, c, name)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Build(b.Context(), engine.Build{Context: os.DirFS(dir), Key: b.Name(), Tags: []string{name}}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		bare := enginetest.Bare(b, c)
		for b.Loop() {
			if err := enginetest.BareBuild(b.Context(), bare, name, archive.Bytes(), nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
