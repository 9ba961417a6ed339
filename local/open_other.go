//go:build !unix

package local

import "net"

// isOpen takes every connection for open: a short idle time has to do on this system.
func isOpen(net.Conn) bool { return true }
