package stack

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// TagFormat is a way to derive an image's tag. It is a pflag.Value. The zero
// value is TagLatest.
type TagFormat string

// The tag formats; every one but TagLatest needs a TagSource.
const (
	TagLatest   TagFormat = "latest"   // the tag as written, or latest
	TagSHA      TagFormat = "sha"      // … followed by - and the short commit
	TagBranch   TagFormat = "branch"   // … by the branch and the short commit
	TagDescribe TagFormat = "describe" // … by what git describe says
	TagDigest   TagFormat = "digest"   // replaced by a digest of the handler's files
)

// maxTag is the longest tag that registries accept.
const maxTag = 128

// String is the format's name.
func (t TagFormat) String() string {
	if t == "" {
		return string(TagLatest)
	}
	return string(t)
}

// Set reads a format in any letter case; "" and "default" are latest.
func (t *TagFormat) Set(s string) error {
	switch f := TagFormat(strings.ToLower(s)); f {
	case "", "default":
		*t = TagLatest
	case TagLatest, TagSHA, TagBranch, TagDescribe, TagDigest:
		*t = f
	default:
		return fmt.Errorf("unknown image tag format %q: want latest, sha, branch, describe or digest", s)
	}
	return nil
}

// Type is what help shows.
func (*TagFormat) Type() string { return "string" }

// TagSource answers what tags are made of. Each answer is asked for only when
// a format needs it.
type TagSource struct {
	SHA      func(ctx context.Context) (string, error) // short id of the commit
	Branch   func(ctx context.Context) (string, error) // name, or HEAD when detached
	Describe func(ctx context.Context) (string, error) // git describe --tags --always

	// Digest is the digest of the function's handler, as HandlerDigest gives.
	Digest func(ctx context.Context) (string, error)
}

// ImageName applies the tag rule to the image of a function. An empty image is
// ErrNoImage.
func ImageName(ctx context.Context, image string, format TagFormat, src TagSource) (string, error) {
	if image == "" {
		return "", ErrNoImage
	}
	name := withTag(image)
	if format == TagLatest || format == "" {
		return name, nil
	}
	if strings.Contains(image, "@") {
		return "", fmt.Errorf("tag image %q with %s: it is pinned by a digest", image, format)
	}
	if format == TagDigest {
		digest, err := src.Digest(ctx)
		if err != nil {
			return "", err
		}
		return name[:strings.LastIndexByte(name, ':')+1] + digest, nil
	}
	suffix, err := gitSuffix(ctx, format, src)
	if err != nil {
		return "", fmt.Errorf("tag image %q with %s: %w", image, format, err)
	}
	colon := strings.LastIndexByte(name, ':') + 1
	tag := name[colon:] + "-" + validTag(suffix)
	if len(tag) > maxTag {
		tag = tag[:maxTag]
	}
	return name[:colon] + tag, nil
}

// withTag adds the tag latest to an image that has none.
func withTag(image string) string {
	if !strings.Contains(image[strings.LastIndexByte(image, '/')+1:], ":") {
		return image + ":latest"
	}
	return image
}

func gitSuffix(ctx context.Context, format TagFormat, src TagSource) (string, error) {
	switch format {
	case TagSHA:
		return src.SHA(ctx)
	case TagDescribe:
		return src.Describe(ctx)
	case TagBranch:
		branch, err := src.Branch(ctx)
		if err != nil {
			return "", err
		}
		sha, err := src.SHA(ctx)
		return branch + "-" + sha, err
	}
	return "", fmt.Errorf("unknown image tag format %q", string(format))
}

// validTag replaces what a tag may not hold by dashes.
func validTag(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, s)
}

// HandlerDigest is the digest that the digest format puts into the tag: the
// MD5 of the joined MD5s, in hexadecimal, of all regular files below handler
// in the order of their paths. Names, modes, links, the template and extras do
// not count; the algorithm is that of the original, so that tags stay.
func HandlerDigest(dir, handler string) (string, error) {
	type entry struct{ path, sum string }
	var entries []entry
	base := filepath.Clean(handler)
	err := filepath.WalkDir(inDir(dir, handler), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(inDir(dir, handler), path)
		if err != nil {
			return err
		}
		sum, err := fileSum(path)
		entries = append(entries, entry{filepath.ToSlash(filepath.Join(base, rel)), sum})
		return err
	})
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return "", fmt.Errorf("digest of handler %q: %w", handler, err)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	all := md5.New()
	for _, e := range entries {
		io.WriteString(all, e.sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
