//go:build !linux

package registry

import "os"

// startWriteback leaves it to the system when it writes.
func startWriteback(*os.File, int64, int64) {}
