//go:build unix

package local

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// connections is how many calls are made at once.
const connections = 32

// BenchmarkInvoke compares calls through the gateway with calls of the same replica, and with what any gateway has to
// pay: calls through a relay that passes bytes on and knows nothing of HTTP.
func BenchmarkInvoke(b *testing.B) {
	p := startPlatform(b, b.TempDir())
	p.deploy("hello")
	replica := "127.0.0.1:" + p.variables("hello")["port"]
	relay := relayTo(b, replica)
	for _, work := range []struct{ name, path string }{{"empty", "/empty"}, {"2ms", "/sleep?ms=2"}} {
		b.Run(work.name+"/direct", func(b *testing.B) { invoke(b, "http://"+replica+work.path) })
		b.Run(work.name+"/relay", func(b *testing.B) { invoke(b, "http://"+relay+work.path) })
		b.Run(work.name+"/gateway", func(b *testing.B) { invoke(b, p.in.URL()+"/function/hello"+work.path) })
	}
}

func invoke(b *testing.B, url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	b.SetParallelism((connections + 1) / 2)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := client.Post(url, "text/plain", strings.NewReader("hi"))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Errorf("%s", res.Status)
				return
			}
		}
	})
}

// relayTo returns the address of a relay to the address to, until the end of b.
func relayTo(b *testing.B, to string) string {
	var lc net.ListenConfig
	l, err := lc.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	var d net.Dialer
	pass := func(to, from net.Conn) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, copyBuffer)) // no splice: it is slower here
		_ = to.Close()
	}
	go func() {
		for {
			caller, err := l.Accept()
			if err != nil {
				return
			}
			replica, err := d.DialContext(b.Context(), "tcp", to)
			if err != nil {
				_ = caller.Close()
				continue
			}
			go pass(replica, caller)
			go pass(caller, replica)
		}
	}()
	return l.Addr().String()
}
