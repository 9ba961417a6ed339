// Package loopback suits TCP connections that do not leave the machine.
//
// A system may pace what its connections send, as BBR does, to spare networks.
// On the loopback interface there is nothing to spare, and the timers cost more
// than the sending itself: a large transfer takes three times as long.
package loopback

import (
	"net/netip"
	"syscall"
)

// Control is the Control of a [net.Dialer] or [net.ListenConfig]. Connections
// between loopback addresses, and those that a listener on one accepts, send as
// fast as the other side receives; all others stay as the system has them.
func Control(_, address string, c syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err == nil && to.Addr().IsLoopback() {
		_ = c.Control(sendUnpaced) // it is slower without, and works
	}
	return nil
}
