//go:build unix

package local

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// connections is how many calls are made at once.
const connections = 32

// BenchmarkInvoke compares calls through the gateway with calls of the same replica.
func BenchmarkInvoke(b *testing.B) {
	p := startPlatform(b, b.TempDir())
	p.deploy("hello")
	direct := "http://127.0.0.1:" + p.variables("hello")["port"]
	for _, work := range []struct{ name, path string }{{"empty", "/empty"}, {"2ms", "/sleep?ms=2"}} {
		b.Run(work.name+"/direct", func(b *testing.B) { invoke(b, direct+work.path) })
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
