package commands

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
)

// BenchmarkLogLines is BenchmarkLogs without the network: what is decoded,
// remembered and printed of each line.
func BenchmarkLogLines(b *testing.B) {
	const lines = 20_000
	var text bytes.Buffer
	for i := range lines {
		err := json.NewEncoder(&text).Encode(schema.LogMessage{
			Name: "fn-00000", Namespace: "openfaas-fn", Instance: "fn-00000-7c9d8-1", Timestamp: time.Unix(1e9, int64(i)*1731e3).UTC(),
			Text: `GET /orders/17 200 took 12 ms "quoted value" user=alice <b>bold</b> größe=42 cache miss path=/tmp/x` + "\n",
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, format := range []logFormat{logPlain, logJSON} {
		b.Run(string(format), func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				p := newLogPrinter(io.Discard, false, "", logsOptions{format: format, timeLayout: time.RFC3339})
				r := &logReader{print: p.print}
				s := gateway.NewLogStream(io.NopCloser(bytes.NewReader(text.Bytes())), gateway.LogReading{JSON: format == logJSON})
				if n, err := r.drain(s); n != lines || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
