package commands

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/filelock"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/local"
)

// TestSilentPlatformIsTakenForNothingElse ensures that a local platform which
// runs, but does not answer in time, is an error: neither are requests sent
// without its password, nor images to a registry.
func TestSilentPlatformIsTakenForNothingElse(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(gatewaytest.Hang())
	t.Cleanup(server.Close)
	for _, args := range [][]string{{"list"}, {"push"}, {"build"}, {"up"}} {
		env, stdout, stderr := faultEnv(t, "")
		env.Transport.ResponseHeaderTimeout = 50 * time.Millisecond
		dir, err := local.StateDir(env.Lookup)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		instance, err := json.Marshal(local.Instance{ID: "id", Address: strings.TrimPrefix(server.URL, "http://"), PID: os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{
			filepath.Join(dir, "instance.json"):  instance,
			filepath.Join(dir, "key"):            []byte("key"),
			filepath.Join(env.Dir, "stack.yml"):  []byte("provider: {name: openfaas}\nfunctions:\n  fn: {lang: dockerfile, handler: ./fn, image: me/fn:1}\n"),
			filepath.Join(env.Dir, "Dockerfile"): []byte("FROM scratch\n"),
		} {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		running, err := filelock.Try(filepath.Join(dir, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		code := Main(t.Context(), env, args)
		running.Release()
		const want = "the local platform runs, but does not answer\nhint: faas-cli local logs"
		if code != exitFailed || !strings.Contains(stderr.String(), want) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s%s", args, code, exitFailed, want, stdout, stderr)
		}
	}
}
