package commands

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/faas-cli/faas-cli/internal/engine"
)

func TestUnreachableDefaultGatewayHintsAtTheLocalPlatform(t *testing.T) {
	t.Parallel()
	for url, local := range map[string]bool{"": true, defaultGateway: true, "http://127.0.0.1:8081": false} {
		for _, args := range [][]string{{"list"}, {"deploy", "--image", "fn:1", "--name", "fn"}, {"invoke", "fn", "-d", "x"}, {"up", "-f", "stack.yml"}} {
			env, stdout, stderr := faultEnv(t, url)
			env.Transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			code := Main(t.Context(), env, args)
			if got := strings.Contains(stderr.String(), "hint: start the local platform with faas-cli local start"); code != 1 || got != local || stdout.Len() > 0 {
				t.Errorf("%q at %q: exit code %d, hint = %v; want 1, %v:\n%s%s", args, url, code, got, local, stdout, stderr)
			}
		}
	}
}

func TestUnreachableProxyIsNamed(t *testing.T) {
	t.Parallel()
	for _, gw := range []string{"http://gw.example", "https://gw.example"} {
		env, stdout, stderr := faultEnv(t, gw)
		env.Transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"})
		env.Transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}
		if code := Main(t.Context(), env, []string{"list"}); code != exitFailed || !strings.Contains(stderr.String(), "hint: it is the proxy") || stdout.Len() > 0 {
			t.Errorf("%s: exit code %d, printed %q: %s", gw, code, stdout, stderr)
		}
	}
}

func TestDeniedPushesHintAtAccounts(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("push fn: %w", engine.ErrDenied)
	if code, advice := exitCode(err), hint(err, "faas-cli push"); code != 4 || !strings.Contains(advice, "docker login") {
		t.Errorf("exit code %d, hint %q", code, advice)
	}
}
