package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/stack"
)

// buildTarget says where images go and what they run on.
type buildTarget struct {
	target target
	// local says that the target is this user's running local platform: images
	// are handed to it under their own names, and no registry is asked.
	local   bool
	outputs []builder.Output

	publish       bool
	platformsFlag string // --platforms; empty: the function's, else the engine's own
	extra         []string
}

// newBuildTarget finds out where images go that are meant for the gateway of
// the flags and the stack file.
func (e *Env) newBuildTarget(ctx context.Context, f gatewayFlags, stackGateway string) (buildTarget, error) {
	t, err := e.resolveTarget(f, stackGateway)
	if err != nil {
		return buildTarget{}, err
	}
	b := buildTarget{target: t, local: e.provenLocal(ctx, t)}
	kind := builder.OutputEngine
	if b.local {
		kind = builder.OutputLocal
	}
	b.outputs = []builder.Output{{Kind: kind}}
	return b, nil
}

// describe says where images go.
func (t buildTarget) describe() string {
	if t.local {
		return fmt.Sprintf("images go to the local platform at %s, no registry is asked", t.target.url)
	}
	return "images go to the registries that their names say"
}

// platforms of a function: the flag's, else the function's own when it is
// published (KB-27).
func (t buildTarget) platforms(fn stack.Function) ([]builder.Platform, error) {
	list := t.platformsFlag
	if list == "" && t.publish {
		list = fn.Platforms
	}
	return builder.ParsePlatforms(list)
}

// extraTags checks the tags of --extra-tag; they are tags of the same
// repository.
func (t buildTarget) extraTags(image string) ([]string, error) {
	for _, tag := range t.extra {
		if tag == "" || len(tag) > 128 || strings.ContainsAny(tag, "/:@ ") {
			return nil, fmt.Errorf("extra tag %q of image %q is not valid", tag, image)
		}
	}
	return t.extra, nil
}
