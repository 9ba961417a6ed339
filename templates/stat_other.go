//go:build !linux

package templates

import (
	"io/fs"
	"time"
)

// identity knows nothing more of a file than its size and times.
func identity(fs.FileInfo) (string, time.Time) { return "", time.Time{} }
