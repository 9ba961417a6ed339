package commands

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/registry"
)

// scriptRegistry serves images for the rest of the script and sets $REGISTRY to
// HOST:PORT. It wants the account me:secret, which login gives to the user. A
// line "METHOD FAULT" of the file faults is taken for the next request of that
// method, where FAULT is a status, cut or hang.
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
		next := store.Handler(registry.ServerOptions{User: "me", Password: "secret"})
		faults := &faultFile{path: ts.MkAbs("faults")}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch fault := faults.take(r.Method); fault {
			case "":
				next.ServeHTTP(w, r)
			case "cut":
				_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
				panic(http.ErrAbortHandler)
			case "hang":
				<-r.Context().Done()
			default:
				status, _ := strconv.Atoi(fault)
				w.WriteHeader(status)
			}
		}))
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

// faultFile is a list of faults that are each taken once.
type faultFile struct {
	path string
	mu   sync.Mutex
}

// take returns the fault for a request, or nothing.
func (f *faultFile) take(method string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, _ := os.ReadFile(f.path) // there may be none
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if fault, ok := strings.CutPrefix(line, method+" "); ok {
			_ = os.WriteFile(f.path, []byte(strings.Join(slices.Delete(lines, i, i+1), "\n")), 0o600)
			return fault
		}
	}
	return ""
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
