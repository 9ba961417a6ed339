package engine

import (
	"io"
	"net"
	"os"
	"testing"
)

// TestDialStdio is no test but the far end of [TestConnectThroughSSH], in a process of its own.
func TestDialStdio(t *testing.T) {
	addr := os.Getenv("DIAL_STDIO")
	if addr == "" {
		t.Skip("only for TestConnectThroughSSH")
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, conn)
	os.Exit(0)
}
