//go:build !linux

package builder

import (
	"context"
	"io/fs"
	"os"
)

// copyLarge copies a file.
func copyLarge(ctx context.Context, out *os.File, f fs.File, info fs.FileInfo, buffer []byte) error {
	return copyRange(ctx, out, f, info.Size(), buffer)
}
