//go:build unix

package registry

import "golang.org/x/sys/unix"

const diskFull = unix.ENOSPC
