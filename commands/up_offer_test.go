package commands

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/term"
)

// TestOfferPlatformAsksOnlyOnATerminalAndForTheDefault declines the offer and
// looks at when it was made.
func TestOfferPlatformAsksOnlyOnATerminalAndForTheDefault(t *testing.T) {
	t.Parallel()
	refused := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, syscall.ECONNREFUSED
	}}
	for name, c := range map[string]struct {
		tty   bool
		url   string
		asks  bool
		fails bool
	}{
		"terminal":        {tty: true, asks: true, fails: true},
		"no terminal":     {fails: true},
		"another gateway": {tty: true, url: "http://127.0.0.1:1"},
	} {
		var errs bytes.Buffer
		tm := term.Test(strings.NewReader("no\n"), &bytes.Buffer{}, &errs)
		tm.InTTY, tm.ErrTTY = c.tty, c.tty
		home := t.TempDir()
		env := &Env{Term: tm, Dir: home, Transport: refused, Lookup: func(key string) (string, bool) {
			return map[string]string{"HOME": home}[key], key == "HOME"
		}}
		f := gatewayFlags{url: c.url, explicit: c.url != ""}
		if err := env.offerPlatform(t.Context(), f, ""); errors.Is(err, gateway.ErrUnreachable) != c.fails {
			t.Errorf("%s: %v", name, err)
		}
		if got := strings.Contains(errs.String(), "Start the local platform"); got != c.asks {
			t.Errorf("%s: asked %v: %q", name, got, errs.String())
		}
	}
}
