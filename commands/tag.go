package commands

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/git"
	"github.com/faas-cli/faas-cli/stack"
)

// registerTag adds --tag.
func registerTag(cmd *cobra.Command, format *stack.TagFormat) {
	cmd.Flags().Var(format, "tag", "tag images by `format`: latest (as they are), sha, branch, describe or digest")
}

// imageNamer returns the function that applies the rule of --tag to the image
// of a stack function. What git knows is asked for at most once. It is safe
// for concurrent use.
func (e *Env) imageNamer(format stack.TagFormat) func(ctx context.Context, fn *stack.Function) (string, error) {
	src := e.gitTags(format)
	return func(ctx context.Context, fn *stack.Function) (string, error) {
		own := src
		own.Digest = func(context.Context) (string, error) { return stack.HandlerDigest(e.Dir, fn.Handler) }
		image, err := stack.ImageName(ctx, fn.Image, format, own)
		if err != nil {
			return "", fmt.Errorf("function %s: %w", fn.Name, err)
		}
		return image, nil
	}
}

// gitTags answers from the repository that the working directory is in.
func (e *Env) gitTags(format stack.TagFormat) stack.TagSource {
	ask := func(args ...string) func(context.Context) (string, error) {
		var once sync.Once
		var out string
		var err error
		return func(ctx context.Context) (string, error) {
			once.Do(func() { out, err = e.askGit(ctx, format, args) })
			return out, err
		}
	}
	return stack.TagSource{
		SHA:      ask("rev-parse", "--short", "HEAD"),
		Branch:   ask("rev-parse", "--symbolic-full-name", "--abbrev-ref", "HEAD"),
		Describe: ask("describe", "--tags", "--always"),
	}
}

// askGit runs git in the working directory and tells what is missing when it
// fails: git, a repository, or a commit.
func (e *Env) askGit(ctx context.Context, format stack.TagFormat, args []string) (string, error) {
	// -C rather than Git.Dir, since a project may be a sub-folder of its
	// repository.
	out, err := git.Git{}.Output(ctx, append([]string{"-C", e.Dir}, args...)...)
	if err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	var failed *git.Error
	if !errors.As(err, &failed) {
		return "", err
	}
	what := map[stack.TagFormat]string{
		stack.TagSHA: "Git SHA", stack.TagBranch: "Git branch and SHA", stack.TagDescribe: "Git tag and SHA",
	}[format]
	if _, err := (git.Git{}).Output(ctx, "-C", e.Dir, "rev-parse", "--git-dir"); err != nil {
		return "", fmt.Errorf("cannot tag with %s as %s is not a Git repository", what, e.Dir)
	}
	return "", withHint(fmt.Errorf("cannot tag with %s: the Git repository has no commit that git can name", what),
		"commit something first, or leave --tag out")
}
