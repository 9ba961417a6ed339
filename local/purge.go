package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/faas-cli/faas-cli/internal/runtime"

	"github.com/faas-cli/faas-cli/internal/filelock"
)

// Purge removes everything that the platform in dir ever made, containers, images and secrets included. It fails with a
// *RunningError while one runs. runtimes makes those that may have left something.
func Purge(ctx context.Context, dir string, runtimes func(h Host) []RuntimeSource) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	held, err := lockPatiently(ctx, filepath.Join(dir, lockFile))
	if errors.Is(err, filelock.ErrHeld) {
		in, _ := Discover(dir) // without: it is starting or stopping
		return &RunningError{Instance: in}
	}
	if err != nil {
		return fmt.Errorf("purge the local platform: %w", err)
	}
	defer held.Release()
	id, err := identify(dir)
	if err != nil {
		return fmt.Errorf("purge the local platform: %w", err)
	}
	if err := purgeRuntimes(ctx, Host{ID: id.id, Dir: dir}, runtimes); err != nil { // the identity stays: without it nothing would find the rest
		return fmt.Errorf("purge the local platform: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("purge the local platform: %w", err)
	}
	return nil
}

// purgeRuntimes purges those that ever made anything, all of them or, where one is away, none.
func purgeRuntimes(ctx context.Context, h Host, runtimes func(Host) []RuntimeSource) (err error) {
	var all []runtime.Runtime
	defer func() {
		for _, rt := range all {
			err = errors.Join(err, rt.Close())
		}
	}()
	for _, source := range runtimes(h) {
		if _, err := os.Stat(h.RuntimeDir(source.Kind)); errors.Is(err, os.ErrNotExist) {
			continue
		}
		rt, err := source.Connect(ctx)
		if err != nil {
			return err
		}
		all = append(all, rt)
	}
	for _, rt := range all {
		_, aerr := rt.Adopt(ctx, func(runtime.Ref) bool { return false }) // ends what cannot be taken over
		err = errors.Join(err, aerr, rt.Purge(ctx))
	}
	return err
}

// Deployed returns the digests that deployed functions run, which the image store has to keep.
func Deployed(dir string) ([]string, error) {
	records, err := state{dir}.functions()
	if err != nil {
		return nil, fmt.Errorf("read functions: %w", err)
	}
	var digests []string
	for _, r := range records {
		if r.Digest != "" {
			digests = append(digests, r.Digest)
		}
	}
	return digests, nil
}
