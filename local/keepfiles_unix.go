//go:build unix && !linux

package local

// keepFiles does nothing on this system.
func keepFiles() {}
