//go:build docker

package engine_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// BenchmarkDockerManyFiles changes one of 30,000 small files. It reports, in multiples of a stat walk, when the engine
// asked for the changed file, and the bytes that crossed the socket beyond those of an unchanged context.
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
	name := enginetest.Name("faas-cli-test/many") + ":1"
	enginetest.RemoveImage(b, c, name)
	build := func() (asked time.Duration, sent int64) {
		tree := &askedFS{FS: os.DirFS(dir), name: "tree/7/7"}
		before, began := p.Sent(), time.Now()
		if _, err := c.Build(b.Context(), engine.Build{Context: tree, Key: b.Name(), Tags: []string{name}}, nil); err != nil {
			b.Fatal(err)
		}
		return tree.at.Sub(began), p.Sent() - before
	}
	build()
	_, unchanged := build()
	n := 0
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
		put("tree/7/7", fmt.Sprintf("content number %d", n))
		asked, sent := build()
		b.ReportMetric(float64(asked)/float64(walk), "walks-until-asked")
		b.ReportMetric(float64(sent-unchanged), "bytes-beyond-unchanged")
	}
}

// askedFS notes when a file was asked for.
type askedFS struct {
	fs.FS
	name string
	at   time.Time
}

func (a *askedFS) Open(name string) (fs.File, error) {
	if name == a.name {
		a.at = time.Now()
	}
	return a.FS.Open(name)
}

// BenchmarkDockerUnchanged builds what did not change, which the engine answers from its cache.
func BenchmarkDockerUnchanged(b *testing.B) {
	c := enginetest.Connect(b)
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY file /file\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), bytes.Repeat([]byte("x"), 2<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	name := enginetest.Name("faas-cli-test/unchanged") + ":1"
	enginetest.RemoveImage(b, c, name)
	for b.Loop() {
		if _, err := c.Build(b.Context(), engine.Build{Context: os.DirFS(dir), Key: b.Name(), Tags: []string{name}}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
