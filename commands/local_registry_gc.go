package commands

import (
	"context"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/local"
)

type localRegistryGCOptions struct {
	dryRun bool
	grace  time.Duration
}

func newLocalRegistryGCCmd(env *Env) *cobra.Command {
	var o localRegistryGCOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove images that nothing refers to",
		Long: `Remove images that no name refers to and no deployed function runs. What was
written within the last hour stays, unless --grace says otherwise.`,
		Example: "  faas-cli local registry gc\n  faas-cli local registry gc --dry-run --grace 0s",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runLocalRegistryGC(cmd.Context(), env, o)
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().DurationVar(&o.grace, "grace", time.Hour, "keep what was written within this `time`")
	return cmd
}

func runLocalRegistryGC(ctx context.Context, env *Env, o localRegistryGCOptions) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	digests, err := local.Deployed(dir)
	if err != nil {
		return err
	}
	var keep []v1.Hash
	for _, d := range digests {
		h, err := v1.NewHash(d)
		if err != nil {
			return fmt.Errorf("digest of a deployed function: %w", err)
		}
		keep = append(keep, h)
	}
	report, err := registry.Open(local.ImagesDir(dir)).GC(ctx, registry.GCOptions{Keep: keep, Grace: o.grace, DryRun: o.dryRun})
	if err != nil {
		return err
	}
	verb := "Removed"
	if o.dryRun {
		verb = "Would remove"
	}
	return env.resultf("%s %s, %s, %d bytes.", verb, count(report.Manifests, "image"), count(report.Blobs, "file"), report.Bytes)
}
