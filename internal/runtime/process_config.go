package runtime

import (
	"context"
	"log/slog"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// NativeImages holds the images that a process runtime may run.
type NativeImages interface {
	// Native reports whether the native engine built the manifest on this machine. Nothing else runs as a process:
	// an image from elsewhere was never meant to be let loose on the user's account.
	Native(digest string) bool
	// Interpreter returns the program of this machine, as a path, that the image was built for and does not hold; empty:
	// there is none.
	Interpreter(digest string) string
	// Image returns the image for this machine.
	Image(ctx context.Context, digest string) (v1.Image, error)
}

// ProcessConfig is what a process runtime is made of.
type ProcessConfig struct {
	// Dir is the runtime's folder: rootfs/DIGEST are unpacked images, run/ID folders of replicas, logs/NAME.NAMESPACE
	// what they wrote.
	Dir    string
	Images NativeImages
	// Supervisor is the command line that runs [Supervise]; the runtime appends its argument.
	Supervisor []string
	GatewayURL string // the gateway_url that replicas see
	Path       string // their PATH, where interpreters are found
	Log        *slog.Logger
}
