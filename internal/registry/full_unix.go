//go:build unix

package registry

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isFull reports whether err says that a disk or a quota is used up.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
