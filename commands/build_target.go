package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

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
	platformsFlag string // --platforms; "": not given
	extra         []string
}

// buildTargetOf finds out where images go that are meant for the gateway t.
func (e *Env) buildTargetOf(ctx context.Context, t target, remote remoteFlags) (buildTarget, error) {
	proven, err := e.provenLocal(ctx, t)
	if err != nil {
		return buildTarget{}, err
	}
	b := buildTarget{target: t, local: proven}
	kind := builder.OutputEngine
	switch {
	case remote.url != "":
		kind = builder.OutputRegistry // remote builders always push
	case b.local:
		kind = builder.OutputLocal
	}
	b.outputs = []builder.Output{{Kind: kind}}
	return b, nil
}

// defaultPlatforms is what images are published for unless somebody says
// otherwise.
const defaultPlatforms = "linux/amd64"

// registerPlatforms adds --platforms.
func registerPlatforms(cmd *cobra.Command, platforms *string, condition string) {
	cmd.Flags().StringVar(platforms, "platforms", "", condition+"comma separated `platforms` of the images (default: the function's own, else "+defaultPlatforms+")")
}

// publishing makes builds end in a registry, for the platforms of the flag if
// it was given, else those of each function.
func (t *buildTarget) publishing(platforms string, extraTags []string) {
	t.local = false
	t.outputs = []builder.Output{{Kind: builder.OutputRegistry}}
	t.publish, t.platformsFlag, t.extra = true, platforms, extraTags
}

// describe says where images go.
func (t buildTarget) describe() string {
	if t.local {
		return fmt.Sprintf("images go to the local platform at %s, no registry is asked", t.target.url)
	}
	return "images go to the registries that their names say"
}

// whereTo names an output of a build for people.
func (t buildTarget) whereTo(j *job, o builder.Output) string {
	switch {
	case o.Kind == builder.OutputLocal && t.target.url != nil:
		return fmt.Sprintf("the local platform at %s", t.target.url)
	case o.Kind == builder.OutputLocal || o.Kind == builder.OutputEngine && j.choice.caps.Name == string(builderNative):
		return "the image store of this machine"
	case o.Kind == builder.OutputEngine:
		return "the container engine"
	}
	return strings.TrimRight(string(o.Kind)+" "+o.Dest, " ")
}

// platforms of a function that is published: the flag's if it was given, else
// its own (KB-27). Everything else is built for the engine's platform.
func (t buildTarget) platforms(fn stack.Function) ([]builder.Platform, error) {
	if !t.publish {
		return nil, nil
	}
	return builder.ParsePlatforms(cmp.Or(t.platformsFlag, fn.Platforms, defaultPlatforms))
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

// localRunTarget leaves images on this machine.
func (e *Env) localRunTarget() buildTarget {
	return buildTarget{local: true, outputs: []builder.Output{{Kind: builder.OutputLocal}}}
}
