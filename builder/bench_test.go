package builder

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

// bigProject has a handler of files of 512 bytes, 50 to a folder. It is kept in
// memory where there is a file system for that: ext4 without a journal searches
// past every inode that was deleted in the last minute, which takes twenty times
// as long as all that is measured here.
func bigProject(b *testing.B, files int) *project {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		b.Setenv("TMPDIR", memory)
	}
	content := map[string]string{"template/tpl/template.yml": "language: tpl\n", "template/tpl/Dockerfile": "FROM scratch\n"}
	for i := range files {
		content[fmt.Sprintf("fn/part-%02d/sub-%02d/file-%05d.txt", i/1000, i/50%20, i)] = strings.Repeat("0123456789abcde\n", 32)
	}
	return newProject(b, content)
}

// BenchmarkWriteDirNew is `build --shrinkwrap` without ./build.
func BenchmarkWriteDirNew(b *testing.B) {
	p := bigProject(b, 30000)
	for b.Loop() {
		if err := p.mustPrepare(b).WriteDir(b.Context(), "build/fn"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(p.dir, "build")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkWriteDirSame is `build --shrinkwrap` when nothing changed.
func BenchmarkWriteDirSame(b *testing.B) {
	p := bigProject(b, 30000)
	for b.Loop() {
		if err := p.mustPrepare(b).WriteDir(b.Context(), "build/fn"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFingerprint reads all files of a context, which is what happens before
// an engine is asked to build it. It reports the best round, in multiples of a
// walk that only looks at each file.
func BenchmarkFingerprint(b *testing.B) {
	p := bigProject(b, 30000)
	walks := math.Inf(1)
	for b.Loop() {
		began := time.Now()
		err := filepath.WalkDir(p.dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil {
				_, err = d.Info()
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		walk := time.Since(began)
		began = time.Now()
		if _, err := p.mustPrepare(b).Fingerprint(b.Context()); err != nil {
			b.Fatal(err)
		}
		walks = min(walks, float64(time.Since(began))/float64(walk))
	}
	b.ReportMetric(walks, "walks")
}

// BenchmarkWriteDirMany is `build --shrinkwrap` of many small functions of one
// template.
func BenchmarkWriteDirMany(b *testing.B) {
	p := bigProject(b, 50)
	from := source{
		function: "fn", language: "tpl", handler: "./fn",
		template: p.template(b, "tpl").FS(), spec: schema.Template{Language: "tpl"},
	}
	for b.Loop() {
		contexts := &ContextBuilder{Project: p.root}
		for i := range 100 {
			c, err := contexts.prepare(b.Context(), from)
			if err != nil {
				b.Fatal(err)
			}
			if err := c.WriteDir(b.Context(), fmt.Sprintf("build/fn-%d", i)); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(p.dir, "build")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
