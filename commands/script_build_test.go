package commands

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/registry"
)

// scriptRegistry serves images for the rest of the script and sets $REGISTRY to
// HOST:PORT. It wants the account me:secret, which login gives to the user.
//
//	registry start    serves the folder images
//	registry login    writes ~/.docker/config.json
func scriptRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry start|login")
	}
	switch args[0] {
	case "start":
		store := registry.Open(ts.MkAbs("images"))
		server := httptest.NewServer(store.Handler(registry.ServerOptions{User: "me", Password: "secret"}))
		ts.Defer(server.Close)
		ts.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
	case "login":
		type account struct {
			Auth string `json:"auth"`
		}
		config, err := json.Marshal(map[string]any{"auths": map[string]account{ts.Getenv("REGISTRY"): {Auth: "bWU6c2VjcmV0"}}})
		ts.Check(err)
		dir := filepath.Join(ts.Getenv("HOME"), ".docker")
		ts.Check(os.MkdirAll(dir, 0o700))
		ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600))
	default:
		ts.Fatalf("usage: registry start|login")
	}
}

// awaitFor is how long a script waits for what another process does: enough for
// a compiler on a busy machine.
const awaitFor = 2 * time.Minute

// scriptAwait waits until a file matches a regular expression:
//
//	await FILE REGEXP
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for end := time.Now().Add(awaitFor); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if want.Match(text) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not match %q:\n%s", args[0], args[1], text)
		}
	}
}
