package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// digestPrefix names the algorithm of every content digest.
const digestPrefix = "sha256:"

// A fileSum is one line of what a content digest is made of.
type fileSum struct {
	path string
	kind byte // 'F' regular, 'X' executable, 'L' link
	sum  [sha256.Size]byte
}

// digestOf is the digest of a tree: SHA-256 over one line a file, sorted by
// path, of its kind, the SHA-256 of its content (of a link: of its target) and
// its path. meta.json at the top is left out, and so are empty folders, owners
// and times.
func digestOf(sums []fileSum) string {
	slices.SortFunc(sums, func(a, b fileSum) int { return strings.Compare(a.path, b.path) })
	h := sha256.New()
	for _, s := range sums {
		if s.path == MetaFile {
			continue
		}
		fmt.Fprintf(h, "%c %x %s\x00", s.kind, s.sum, s.path)
	}
	return digestPrefix + hex.EncodeToString(h.Sum(nil))
}

// Digest is the content digest of a tree: of the names, kinds, executable bits
// and bytes of all its files but meta.json at the top. It refuses what is
// neither file, folder nor link.
func Digest(fsys fs.FS) (string, error) {
	sums, err := sumFiles(fsys)
	if err != nil {
		return "", err
	}
	return digestOf(sums), nil
}

// sumFiles reads every file of a tree.
func sumFiles(fsys fs.FS) ([]fileSum, error) {
	var sums []fileSum
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		s, err := sumFile(fsys, name, d)
		if err != nil {
			return err
		}
		sums = append(sums, s)
		return nil
	})
	return sums, err
}

func sumFile(fsys fs.FS, name string, d fs.DirEntry) (fileSum, error) {
	s := fileSum{path: name, kind: 'F'}
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(fsys, name)
		if err != nil {
			return s, err
		}
		s.kind, s.sum = 'L', sha256.Sum256([]byte(target))
		return s, nil
	case !d.Type().IsRegular():
		return s, fmt.Errorf("%q is neither file, folder nor link", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	if info.Mode()&0o100 != 0 {
		s.kind = 'X'
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return s, err
	}
	h.Sum(s.sum[:0])
	return s, nil
}
