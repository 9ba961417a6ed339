package commands

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/plugin"
)

type pluginGetOptions struct {
	name     string
	registry string
	version  string
	arch, os string
	path     string
	ownPath  bool // --path was given
	key      string
	verbose  bool
	format   formatFlags
}

func newPluginGetCmd(env *Env) *cobra.Command {
	var o pluginGetOptions
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Fetch a plugin out of an OCI image",
		Long: `Fetch a plugin out of the OCI image REGISTRY/NAME:VERSION. The image is pulled
without credentials; of its files only the one called NAME is taken.

The version may be a digest (sha256:…), which pins the content. With --key the
image must carry a cosign signature by that key.`,
		Example: "  faas-cli plugin get pro\n  faas-cli plugin get pro --version 0.4.2 --key cosign.pub\n  faas-cli plugin get pro --output json",
		Args:    exactArgs("the NAME of the plugin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.ownPath = args[0], cmd.Flags().Changed("path")
			return runPluginGet(cmd.Context(), env, o)
		},
	}
	o.format.register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.registry, "registry", "ghcr.io/openfaasltd", "`registry` and path that the plugin's image is in")
	f.StringVar(&o.version, "version", "latest", "`tag` or digest of the image")
	f.StringVar(&o.arch, "arch", "", "CPU `architecture` of the plugin (default: this machine's)")
	f.StringVar(&o.os, "os", "", "operating `system` of the plugin (default: this machine's)")
	f.StringVar(&o.path, "path", "$HOME/.openfaas/plugins", "`folder` to put the plugin into")
	f.StringVar(&o.key, "key", "", "PEM `file` of the public key that must have signed the image")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say which image is fetched, and its digest")
	return cmd
}

func runPluginGet(ctx context.Context, env *Env, o pluginGetOptions) error {
	if err := plugin.CheckName(o.name); err != nil {
		return &UsageError{Err: err}
	}
	if strings.Contains(o.path, "$HOME") && env.home() == "" {
		return fmt.Errorf("expand %q: HOME is not set", o.path)
	}
	r := plugin.Request{
		Name: o.name, Registry: o.registry, Version: o.version, OS: o.os, Arch: o.arch,
		Dir:       env.abs(strings.ReplaceAll(o.path, "$HOME", env.home())),
		Transport: env.Transport,
	}
	if o.key != "" {
		key, err := os.ReadFile(env.abs(o.key))
		if err != nil {
			return err
		}
		r.PublicKey = key
	}
	env.progressf("Fetching plugin: %s", o.name)
	if o.verbose {
		env.progressf("Image: %s/%s:%s for %s", o.registry, o.name, o.version, r.Platform())
	}
	start := env.Now()
	res, err := plugin.Get(ctx, r)
	if err != nil {
		return err
	}
	took := env.Now().Sub(start).Round(100 * time.Millisecond)
	if o.verbose {
		env.progressf("Digest: %s", res.Digest)
	}
	line := sprintf("Downloaded in (%s)\n\nUsage:\n  faas-cli %s", took, o.name)
	if o.ownPath {
		line = sprintf("Wrote: %s (%s) in (%s)", res.Path, r.Platform(), took)
	}
	return printResult(env, o.format, fetchedPlugin{
		Name: o.name, Path: res.Path, Digest: res.Digest, Platform: r.Platform().String(), Size: res.Size,
	}, o.name, line)
}

// fetchedPlugin is what plugin get prints for programs.
type fetchedPlugin struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Digest   string `json:"digest"` // of the image
	Platform string `json:"platform"`
	Size     int64  `json:"size"` // bytes
}

// abs returns a path that a user gave relative to the working folder.
func (e *Env) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Dir, path)
}
