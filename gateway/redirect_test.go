package gateway

import (
	"net/url"
	"testing"
)

// TestSameServer: credentials and writes follow a redirect to the same server,
// which is also the one with encryption that stands behind the usual ports.
func TestSameServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"http://gw/a", "http://GW:80/b", true},
		{"http://gw/a", "https://gw/a", true},
		{"http://gw:80", "https://gw:443", true},
		{"http://[::1]", "https://[::1]", true},
		{"https://gw", "https://gw:443/x", true},
		{"https://gw", "http://gw", false},
		{"http://gw:8080", "https://gw", false},
		{"http://gw:8080", "https://gw:8443", false},
		{"http://gw", "https://gw:8443", false},
		{"http://gw:8080", "http://gw:8081", false},
		{"http://gw", "http://www.gw", false},
		{"http://gw", "http://gw.example", false},
	} {
		from, err := url.Parse(tt.from)
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := sameServer(from, to); got != tt.want {
			t.Errorf("sameServer(%s, %s) = %v; want %v", from, to, got, tt.want)
		}
	}
}
