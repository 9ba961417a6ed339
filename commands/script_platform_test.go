package commands

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/processtest"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/local"
)

// scriptPlatform looks after the local platform of a script:
//
//	platform tidy               removes it when the script ends
//	platform image NAME [K=V]   puts a function, see processtest.Function, into its image store
//	platform await              waits until it runs
//	platform kill               ends it as the machine's failure would, and waits until nothing of it holds its state
//	platform push NAME [K=V]    pushes such a function to its registry, as other tools do
//	platform url VARIABLE       sets the variable to its address, VARIABLE_PORT to its port, VARIABLE_REGISTRY to that of its registry
func scriptPlatform(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: platform tidy|image|await|kill|push|url")
	}
	dir := scriptStateDir(ts)
	switch args[0] {
	case "tidy":
		ts.Defer(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = local.Stop(ctx, dir) // the script may have stopped it
			env := &Env{Lookup: func(key string) (string, bool) { v := ts.Getenv(key); return v, v != "" }}
			if err := local.Purge(ctx, dir, env.localRuntimes(runtimeProcess, "faas-cli", slog.New(slog.DiscardHandler))); err != nil {
				ts.Logf("purge: %v", err)
			}
		})
	case "image":
		img, err := processtest.ImageOf([]string{"test-function"}, args[2:]...)
		ts.Check(err)
		store := registry.Open(local.ImagesDir(dir))
		h, err := store.WriteImage(context.Background(), args[1], img)
		ts.Check(err)
		ts.Check(store.MarkNative(h, ""))
	case "await":
		awaitPlatform(ts, dir, true)
	case "kill":
		p, err := os.FindProcess(scriptInstance(ts).PID)
		ts.Check(err)
		ts.Check(p.Kill())
		awaitPlatform(ts, dir, false)
	case "push":
		in := scriptInstance(ts)
		img, err := processtest.ImageOf([]string{"test-function"}, args[2:]...)
		ts.Check(err)
		ref, err := name.ParseReference(in.Registry + "/" + args[1])
		ts.Check(err)
		user, password, err := in.Credentials()
		ts.Check(err)
		ts.Check(remote.Write(ref, img, remote.WithAuth(&authn.Basic{Username: user, Password: password})))
	case "url":
		in := scriptInstance(ts)
		ts.Setenv(args[1]+"_REGISTRY", in.Registry)
		ts.Setenv(args[1], in.URL())
		ts.Setenv(args[1]+"_PORT", in.Address[strings.LastIndexByte(in.Address, ':')+1:])
	default:
		ts.Fatalf("platform %s?", args[0])
	}
}

// awaitPlatform waits until a platform runs, or none.
func awaitPlatform(ts *testscript.TestScript, dir string, runs bool) {
	for end := time.Now().Add(awaitFor); ; time.Sleep(10 * time.Millisecond) {
		_, err := local.Discover(dir)
		if (err == nil) == runs {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("a platform runs: %t (%v)", err == nil, err)
		}
	}
}

func scriptStateDir(ts *testscript.TestScript) string {
	dir, err := local.StateDir(func(key string) (string, bool) { v := ts.Getenv(key); return v, v != "" })
	ts.Check(err)
	return dir
}

func scriptInstance(ts *testscript.TestScript) local.Instance {
	in, err := local.Discover(scriptStateDir(ts))
	ts.Check(err)
	return in
}

// scriptRequest sends a request and wants a status; the body of the answer is standard output:
//
//	request STATUS METHOD [gateway|registry]/PATH [HEADER=VALUE...]   to the platform, with its password
//	request STATUS METHOD FILE:/PATH [HEADER=VALUE...]                to the first http://HOST:PORT in the file
func scriptRequest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: request STATUS METHOD [gateway|registry|FILE:]/PATH [HEADER=VALUE...]")
	}
	listener, path, _ := strings.Cut(args[2], "/")
	var address, user, password string
	if file, ok := strings.CutSuffix(listener, ":"); ok {
		address = regexp.MustCompile(`http://([^/\s]+)`).FindStringSubmatch(ts.ReadFile(file))[1]
	} else {
		in := scriptInstance(ts)
		address = map[string]string{"gateway": in.Address, "registry": in.Registry}[listener]
		var err error
		user, password, err = in.Credentials()
		ts.Check(err)
	}
	req, err := http.NewRequest(args[1], "http://"+address+"/"+path, strings.NewReader("")) //nolint:noctx // ended by the platform
	ts.Check(err)
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	for _, kv := range args[3:] {
		key, value, _ := strings.Cut(kv, "=")
		if key == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(key, value)
	}
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	if strconv.Itoa(res.StatusCode) != args[0] {
		ts.Fatalf("%v: %s: %s", args[1:], res.Status, body)
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}
