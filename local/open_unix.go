//go:build unix

package local

import (
	"net"
	"syscall"
)

// isOpen reports whether an idle connection has neither been closed by the other side nor received anything, which on an
// idle connection is a mistake too. It does not wait.
func isOpen(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK //nolint:errorlint // a plain number
		return true
	})
	return err == nil && open
}
