//go:build !unix

package builder

import (
	"context"
	"fmt"
	"os"
)

// lockDir makes dir. Two builds of one function at once are not kept apart
// here.
func lockDir(_ context.Context, dir string) (func(), error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("prepare build: %w", err)
	}
	return func() {}, nil
}
