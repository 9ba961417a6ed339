package loopback

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// congestion is the algorithm that the connection sends by.
func congestion(t *testing.T, c syscall.Conn) string {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		name, optErr = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}); err != nil || optErr != nil {
		t.Fatal(err, optErr)
	}
	return name
}

func TestControlLeavesBothEndsOfALoopbackConnectionUnpaced(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		lc := net.ListenConfig{Control: Control}
		l, err := lc.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Logf("left out: %v", err)
			continue
		}
		defer l.Close()
		dialer := net.Dialer{Control: Control}
		dialled, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer dialled.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		for end, c := range map[string]net.Conn{"dialled": dialled, "accepted": accepted} {
			if got := congestion(t, c.(*net.TCPConn)); got != "reno" {
				t.Errorf("%s %s: %q", address, end, got)
			}
		}
	}
}

func TestControlLeavesOtherConnectionsAlone(t *testing.T) {
	t.Parallel()
	var plain net.ListenConfig
	asItIs, err := plain.Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer asItIs.Close()
	lc := net.ListenConfig{Control: Control}
	l, err := lc.Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got, want := congestion(t, l.(*net.TCPListener)), congestion(t, asItIs.(*net.TCPListener)); got != want {
		t.Errorf("all addresses: %q, want %q", got, want)
	}
}
