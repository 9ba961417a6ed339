package builder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyLarge copies a file of which holes stay holes.
func copyLarge(ctx context.Context, out *os.File, f fs.File, info fs.FileInfo, buffer []byte) error {
	src, ok := f.(*os.File)
	st, ok2 := info.Sys().(*syscall.Stat_t)
	const block = 512 // of st_blocks, whatever the file system's
	if !ok || !ok2 || st.Blocks*block >= info.Size() {
		return copyRange(ctx, out, f, info.Size(), buffer)
	}
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); at < info.Size(); {
		data, err := src.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, syscall.ENXIO) {
			return nil // a hole up to the end
		}
		if err != nil {
			return err
		}
		hole, err := src.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := src.Seek(data, 0); err != nil {
			return err
		}
		if _, err := out.Seek(data, 0); err != nil {
			return err
		}
		if err := copyRange(ctx, out, src, hole-data, buffer); err != nil {
			return err
		}
		at = hole
	}
	return nil
}
