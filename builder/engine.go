// Package builder prepares the build contexts of functions and turns them into
// images. A context is a virtual tree of template, handler and extra paths; an
// [Engine] builds it: the docker engine, the native one of this package, which
// needs no containers, or a remote builder.
//
// Nothing here prints, reads the environment or ends the process: progress is
// told as [Event]s, and whatever a build may use is in its [Request].
package builder

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
)

// An Engine turns a build context into an image. Engines are safe for
// concurrent use.
type Engine interface {
	// Capabilities says which outputs, platforms and options the engine
	// honours; [Check] refuses whatever a request asks for beyond them.
	Capabilities(ctx context.Context) (Capabilities, error)
	// Build blocks until every output of req exists or ctx ends. It may call
	// on, which is never nil, from any goroutine. The returned error does not
	// name the function; the caller does.
	Build(ctx context.Context, req Request, on func(Event)) (Result, error)
}

// Capabilities are what an engine honours. Zero values mean that it does not.
type Capabilities struct {
	// Name is the engine's name in messages, fingerprints and --engine:
	// "docker", "native" or "remote".
	Name string
	// Identity is Name and all that, beside the request, decides the result,
	// such as the version of a tool chain. Images built by another identity
	// are not taken for unchanged.
	Identity string
	Outputs  []OutputKind
	// Platform is what an empty Request.Platforms means.
	Platform       Platform
	MultiPlatform  bool // more than one platform in a request
	CrossPlatform  bool // platforms other than Platform
	Labels         bool // Request.Labels
	Secrets        bool // Request.Secrets
	SSH            bool // Request.SSH
	NoCache        bool // Request.NoCache
	Pull           bool // Request.Pull
	Squash         bool // Request.Squash
	Debug          bool // Request.Debug
	ExtraTags      bool // Request.ExtraTags
	Proxies        bool // http_proxy and https_proxy among Request.Args, as the predefined arguments of a Dockerfile
	NeedsLocalSpec bool // only builds contexts with a local block (native)
	// ShrinkWrap asks callers to leave the context in ./build as well, as
	// scripts around the remote builder expect.
	ShrinkWrap bool
}

// Request is one build: the context and everything else that the image is
// made from or for. The zero value of an option means "no".
type Request struct {
	Context *Context
	Image   string // full reference, tag included
	Outputs []Output
	// Platforms of the image; several are joined into an index. Empty means
	// the engine's own.
	Platforms []Platform
	Args      map[string]string // build arguments, ADDITIONAL_PACKAGE included; values are never logged
	Labels    map[string]string
	Secrets   []Secret
	ExtraTags []string // further tags of Image's repository, registry outputs only
	SSH       bool     // the build may use the user's SSH agent
	NoCache   bool
	Pull      bool // look for newer base images
	Squash    bool
	Debug     bool // keep what a debugger needs
	Force     bool // build even if nothing changed
}

// Secret is a file that a build may read but that stays out of the image.
type Secret struct {
	ID   string
	Path string // absolute
}

// OutputKind says where an image goes.
type OutputKind string

const (
	// OutputEngine leaves the image where the engine keeps its images: the
	// docker engine's store, or the image store for the native one.
	OutputEngine OutputKind = "engine"
	// OutputRegistry pushes the image to the registry that its name says.
	OutputRegistry OutputKind = "registry"
	// OutputLocal hands the image to the local platform under its full name,
	// without asking any registry.
	OutputLocal OutputKind = "local"
	// OutputOCI writes an OCI layout into the folder Dest.
	OutputOCI OutputKind = "oci"
	// OutputTar writes an archive that `docker load` reads to the file Dest.
	OutputTar OutputKind = "tar"
)

// Output is one destination of an image.
type Output struct {
	Kind OutputKind
	Dest string // path, for OutputOCI and OutputTar
}

// ParseOutput reads the argument of --build-to: "oci:DIR" or "tar:FILE".
func ParseOutput(s string) (Output, error) {
	kind, dest, _ := strings.Cut(s, ":")
	o := Output{Kind: OutputKind(kind), Dest: dest}
	if (o.Kind != OutputOCI && o.Kind != OutputTar) || dest == "" {
		return Output{}, fmt.Errorf("invalid output %q: want oci:DIR or tar:FILE", s)
	}
	return o, nil
}

// Result tells what a build left behind.
type Result struct {
	// Digest of the image, or of the index of several platforms. Empty where
	// the engine does not tell (the remote builder).
	Digest    digest.Digest
	Platforms []Platform
	Size      int64 // bytes of the image's layers as stored, of all platforms; 0: not known
	// Skipped says that nothing changed: every output already held an image of
	// the same fingerprint.
	Skipped bool
}

// Platform is what an image runs on.
type Platform struct {
	OS           string
	Architecture string
	Variant      string // "v7" of arm; mostly empty
}

// hostPlatform is the platform of linux containers on this machine.
func hostPlatform() Platform { return Platform{OS: "linux", Architecture: runtime.GOARCH} }

// parsePlatform reads "os/arch" or "os/arch/variant".
func parsePlatform(s string) (Platform, error) {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(s)), "/")
	if len(parts) < 2 || len(parts) > 3 {
		return Platform{}, fmt.Errorf("invalid platform %q: want os/arch, such as linux/arm64", s)
	}
	for _, p := range parts {
		if p == "" || strings.ContainsFunc(p, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
		}) {
			return Platform{}, fmt.Errorf("invalid platform %q: want os/arch, such as linux/arm64", s)
		}
	}
	p := Platform{OS: parts[0], Architecture: parts[1]}
	switch p.Architecture { // the spellings that docker accepts as well
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// ParsePlatforms reads a comma separated list; duplicates count once.
func ParsePlatforms(list string) ([]Platform, error) {
	var platforms []Platform
	seen := map[Platform]bool{}
	for s := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(s) == "" {
			continue
		}
		p, err := parsePlatform(s)
		if err != nil {
			return nil, err
		}
		if !seen[p] {
			seen[p] = true
			platforms = append(platforms, p)
		}
	}
	return platforms, nil
}

// String gives what parsePlatform reads.
func (p Platform) String() string {
	if p.Variant != "" {
		return p.OS + "/" + p.Architecture + "/" + p.Variant
	}
	return p.OS + "/" + p.Architecture
}
