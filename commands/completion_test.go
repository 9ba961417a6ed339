package commands

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/gatewaytest"
)

// TestCompletionDoesNotWait: a gateway that never answers costs its names, and
// not the user's time.
func TestCompletionDoesNotWait(t *testing.T) {
	t.Parallel()
	if completionTime >= time.Second {
		t.Errorf("the Tab key may take %s; want less than a second", completionTime)
	}
	for name, h := range map[string]gatewaytest.Fault{
		"no answer":   {Handler: gatewaytest.Hang()},
		"half of one": {Handler: gatewaytest.HangInBody(200, `[{"name":"figlet"},`)},
		"too much":    {Handler: gatewaytest.Flood(200, 1<<40)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := gatewaytest.New(t, gatewaytest.Options{})
			gw.Inject(h)
			env, stdout, _ := faultEnv(t, gw.URL)
			var asked atomic.Bool // by us: the time may be over before the gateway knows
			env.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				asked.Store(true)
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			if code := Main(t.Context(), env, []string{"__completeNoDesc", "invoke", ""}); code != 0 || stdout.String() != "fn\n:4\n" {
				t.Errorf("exit code %d, printed %q; want the stack file's function alone", code, stdout)
			}
			if n := len(gw.Requests()); n > 1 || !asked.Load() {
				t.Errorf("%d requests, asked: %t; want 1", n, asked.Load())
			}
		})
	}
}
