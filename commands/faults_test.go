package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/internal/term"
)

// A gatewayCommand is a command line that talks to a gateway, as the table of
// faults needs it.
type gatewayCommand struct {
	args    []string
	reads   bool // it decodes JSON that the gateway answers
	json    bool // its standard output is JSON
	relays  bool // its standard output is what a function answers, as it comes
	lenient bool // it makes do with an object that lacks all it looks for (KB-70)

	anonymous bool // it takes no --token
	forgives  bool // a 404 is no error
}

// gatewayCommands are all that talk to a gateway.
func gatewayCommands() []gatewayCommand {
	words := func(s string) []string { return strings.Fields(s) }
	return []gatewayCommand{
		{args: words("list"), reads: true},
		{args: words("list --verbose --sort invocations"), reads: true},
		{args: words("list --quiet --all-namespaces"), reads: true},
		{args: words("list --json"), reads: true, json: true},
		{args: words("list --all-namespaces"), reads: true},
		{args: words("describe fn"), reads: true},
		{args: words("describe fn --output json"), reads: true, json: true},
		{args: words("deploy --image r/fn:1 --name fn")},
		{args: words("deploy --image r/fn:1 --name fn --update=false --output json"), json: true},
		{args: words("deploy --image r/fn:1 --name fn --update=false --replace")},
		{args: words("deploy --image r/fn:1 --name fn --wait")},
		{args: words("remove fn")},
		{args: words("remove fn --output json"), json: true},
		{args: words("scale fn 2")},
		{args: words("scale fn 2 --wait --output json"), json: true},
		{args: words("ready --attempts 1")},
		{args: words("ready fn --attempts 1"), reads: true},
		{args: words("ready fn --attempts 1 --output json"), reads: true, json: true},
		{args: words("secret create s --from-literal v")},
		{args: words("secret create s --from-literal v --replace --output json"), json: true},
		{args: words("secret update s --from-literal v")},
		{args: words("secret list"), reads: true},
		{args: words("secret list --json"), reads: true, json: true},
		{args: words("secret remove s")},
		{args: words("secret apply"), reads: true},
		{args: words("secret apply --output json"), reads: true, json: true},
		{args: words("namespace list"), reads: true},
		{args: words("namespace list --json"), reads: true, json: true},
		{args: words("namespaces"), reads: true},
		{args: words("namespace get dev"), reads: true},
		{args: words("namespace get dev --output yaml"), reads: true},
		{args: words("namespace create dev")},
		{args: words("namespace update dev")},
		{args: words("namespace remove dev")},
		{args: words("namespace remove dev --output json"), json: true},
		{args: words("logs fn --tail=false --no-reconnect"), reads: true},
		{args: words("logs fn --output json --tail=false --no-reconnect"), reads: true},
		{args: words("logs --all -f stack.yml --tail=false --no-reconnect"), reads: true},
		{args: words("invoke fn"), relays: true},
		{args: words("invoke fn --method get --include"), relays: true},
		{args: words("invoke fn --async --callback http://127.0.0.1:9/"), relays: true},
		{args: words("version --json --warn-update=false"), reads: true, json: true, lenient: true},
		{args: words("login --password x"), anonymous: true},
		{args: words("login --password x --output json"), anonymous: true, json: true},
		{args: words("diff -f stack.yml"), reads: true},
		{args: words("diff -f stack.yml --output json"), reads: true, json: true},
		{args: words("stack import"), reads: true},
		{args: words("stack import -f new.yml"), reads: true},
		{args: words("deploy -f stack.yml")},
		{args: words("remove -f stack.yml"), forgives: true},
		{args: words("up -f stack.yml")},
		{args: words("store deploy fn")},
	}
}

// A gatewayFault is one way in which a gateway fails.
type gatewayFault struct {
	name    string
	handler http.Handler
	dial    func(ctx context.Context, network, address string) (net.Conn, error) // instead of a server
	body    bool                                                                 // it is in JSON: it concerns those who read it
	object  bool                                                                 // it is an object, which may do
	hangs   bool                                                                 // only a time limit ends it
	advice  string                                                               // the hint has to contain it
	leaks   string                                                               // text of the server that must not reach the terminal
	says    string                                                               // what the error has to contain
}

func gatewayFaults(elsewhere string) []gatewayFault {
	html := "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
	return []gatewayFault{
		{name: "refused", says: "refused", dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", fmt.Errorf("connection refused"))}
		}},
		{name: "no such host", says: "no such host", dial: func(_ context.Context, _, address string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
		}},
		{name: "hang before headers", handler: gatewaytest.Hang(), hangs: true, says: "1s", advice: "--timeout"},
		{name: "hang inside the body", handler: gatewaytest.HangInBody(200, `[{"name":`), hangs: true, says: "1s"},
		{name: "cut inside the body", handler: gatewaytest.CutBody(200, `[{"name":`), says: "connection"},
		{name: "dropped", handler: gatewaytest.Drop()},
		{name: "redirect elsewhere", handler: gatewaytest.Redirect(301, elsewhere)},
		{name: "400 with text", handler: gatewaytest.Reply(400, "bad\nthing"), says: "bad thing"},
		{name: "401", handler: gatewaytest.Reply(401, "invalid credentials"), says: "401"},
		{name: "403", handler: gatewaytest.Reply(403, ""), says: "403"},
		{name: "404", handler: gatewaytest.Reply(404, ""), says: "404"},
		{name: "409", handler: gatewaytest.Reply(409, "exists"), says: "409"},
		{name: "413", handler: gatewaytest.Reply(413, ""), says: "413"},
		{name: "429", handler: gatewaytest.Reply(429, "slow down", "Retry-After: 3600"), says: "429", advice: "wait 1h0m0s"},
		{name: "500", handler: gatewaytest.Reply(500, "sorry"), says: "sorry"},
		{name: "502 with a page", handler: gatewaytest.Reply(502, html, "Content-Type: text/html"), says: "502", leaks: "<body>"},
		{name: "503", handler: gatewaytest.Reply(503, ""), says: "503"},
		{name: "truncated JSON", handler: gatewaytest.Reply(200, `[{"name":"fn","image":`), body: true},
		{name: "JSON of another shape", handler: gatewaytest.Reply(200, `{"functions":{"a":[1,2]}}`), body: true, object: true},
		{name: "JSON of another type", handler: gatewaytest.Reply(200, `"fn"`), body: true},
		{name: "huge error", handler: gatewaytest.Flood(500, 1<<30), says: "500"},
		{name: "control characters", handler: gatewaytest.Reply(500, "a\x1b[2J\x07b\r\nerror: forged"), says: "b error: forged", leaks: "\x1b"},
	}
}

// faultEnv is an environment in a home of its own whose gateway is at url, with
// a stack file, a store and a folder of secrets.
func faultEnv(t *testing.T, url string) (env *Env, stdout, stderr *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, secretsFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(secretsFolder, "s"): "v",
		"stack.yml":                       "provider: {name: openfaas}\nfunctions:\n  fn: {image: r/fn:1, skip_build: true}\n",
		"store.json":                      `{"functions":[{"name":"fn","title":"fn","images":{"x86_64":"r/fn:1","arm64":"r/fn:1"}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &Env{
		Term: term.Test(strings.NewReader(""), stdout, stderr),
		Lookup: func(key string) (string, bool) {
			v := map[string]string{"HOME": dir, "OPENFAAS_URL": url, "OPENFAAS_STORE": filepath.Join(dir, "store.json")}[key]
			return v, v != ""
		},
		Dir: dir, Now: time.Now, Transport: transport,
		Environ:    func() []string { return nil },
		Executable: func() (string, error) { return "faas-cli", nil },

		CompletionTime: completionTime,
	}, stdout, stderr
}

// TestGatewayFaults runs every gateway command against every fault. Whatever
// happens, the command ends in time with a code that is not 0 and one error
// that names the URL, and prints nothing that a script could take for a result.
func TestGatewayFaults(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	for _, fault := range gatewayFaults(elsewhere.URL) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			inOwnGoroutines(gatewayCommands(), func(cmd gatewayCommand) {
				if fault.body && !cmd.reads || fault.object && cmd.lenient || fault.name == "404" && cmd.forgives {
					return
				}
				if problems := checkFault(t, fault, cmd); len(problems) > 0 {
					t.Errorf("%s:\n%s", strings.Join(cmd.args, " "), strings.Join(problems, "\n"))
				}
			})
		})
	}
}

// inOwnGoroutines does not wait for a processor as parallel subtests do: most
// of the time is spent waiting.
func inOwnGoroutines(cmds []gatewayCommand, check func(gatewayCommand)) {
	var wg sync.WaitGroup
	for _, cmd := range cmds {
		wg.Go(func() { check(cmd) })
	}
	wg.Wait()
}

// checkFault returns what is wrong with the end of cmd.
func checkFault(t *testing.T, fault gatewayFault, cmd gatewayCommand) (problems []string) {
	t.Helper()
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	const token = "hunter2-token"
	url := "http://gw.example:8080"
	if fault.handler != nil {
		s := gatewaytest.New(t, gatewaytest.Options{})
		s.Inject(gatewaytest.Fault{Handler: fault.handler})
		url = s.URL
	}
	env, stdout, stderr := faultEnv(t, url)
	env.Transport.DialContext = fault.dial
	limit := "1m" // not the few seconds that some have by themselves
	if fault.hangs {
		limit = "1s"
	}
	args := append(slices.Clone(cmd.args), "--timeout", limit)
	if !cmd.relays && !cmd.anonymous {
		args = append(args, "--token", token)
	}
	start := time.Now()
	code := Main(t.Context(), env, args)
	if took := time.Since(start); took > 30*time.Second {
		complain("it took %s", took)
	}
	errText := stderr.String()
	want := exitFailed
	if (fault.name == "401" || fault.name == "403") && !cmd.relays { // that would be the function's own
		want = exitAuth
	}
	if code != want {
		complain("exit code %d; want %d", code, want)
	}
	if n := strings.Count("\n"+errText, "\nerror:"); n != 1 {
		complain("%d errors:\n%s", n, errText)
	}
	target := url
	if fault.name == "redirect elsewhere" {
		target = "http://127.0.0.1:" // either of the two
	}
	if !strings.Contains(errText, target) || !strings.Contains(errText, fault.says) {
		complain("stderr lacks %q or %q:\n%s", target, fault.says, errText)
	}
	if _, hint, _ := strings.Cut(errText, "\nhint: "); !cmd.relays && !strings.Contains(hint, fault.advice) {
		complain("stderr lacks the advice %q:\n%s", fault.advice, errText)
	}
	if all := stdout.String() + errText; strings.Contains(all, token) || fault.leaks != "" && strings.Contains(all, fault.leaks) {
		complain("something leaked:\n%s", all)
	}
	if out := stdout.String(); out != "" && !cmd.relays && !(cmd.json && json.Valid([]byte(out))) {
		complain("stdout = %q", out)
	}
	if _, err := os.Lstat(filepath.Join(env.Dir, "new.yml")); err == nil {
		complain("new.yml was written")
	}
	return problems
}

// TestUntrustedGateway: its own certificate is refused, and the way out named.
func TestUntrustedGateway(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{TLS: true})
	for _, cmd := range gatewayCommands() {
		env, stdout, stderr := faultEnv(t, s.URL)
		code := Main(t.Context(), env, cmd.args)
		if errText := stderr.String(); code != exitFailed || !strings.Contains(errText, "certificate") || !strings.Contains(errText, "hint:") {
			t.Errorf("%q: exit code %d:\n%s", cmd.args, code, errText)
		}
		if out := stdout.String(); out != "" && !json.Valid([]byte(out)) {
			t.Errorf("%q: stdout = %q", cmd.args, out)
		}
	}
	if got := s.Requests(); len(got) > 0 {
		t.Errorf("requests were sent: %v", got)
	}
}

// TestInterruptEndsGatewayCommands: Ctrl-C while the gateway does not answer.
func TestInterruptEndsGatewayCommands(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]http.Handler{
		"before headers": gatewaytest.Hang(), "inside the body": gatewaytest.HangInBody(200, `[{"name":`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inOwnGoroutines(gatewayCommands(), func(cmd gatewayCommand) {
				for range 3 { // once may be the machine
					if interruptOnce(t, where, cmd) {
						return
					}
				}
				t.Errorf("%q: it took more than a second after Ctrl-C", cmd.args)
			})
		})
	}
}

// endsWithin waits for what c brings, and says whether that came within d. The
// time is counted in short waits: a machine that stalls loses one of them, and
// makes nothing late.
func endsWithin[T any](c <-chan T, d time.Duration) (v T, inTime bool) {
	const wait = 10 * time.Millisecond
	for range d / wait {
		select {
		case v = <-c:
			return v, true
		case <-time.After(wait):
		}
	}
	return <-c, false
}

// interruptOnce says whether cmd ended within a second of Ctrl-C.
func interruptOnce(t *testing.T, where http.Handler, cmd gatewayCommand) bool {
	t.Helper()
	s := gatewaytest.New(t, gatewaytest.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	pressed := make(chan struct{})
	s.Inject(gatewaytest.Fault{Times: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.AfterFunc(50*time.Millisecond, func() {
			close(pressed)
			cancel(Signalled(os.Interrupt))
		})
		where.ServeHTTP(w, r)
	})})
	env, stdout, stderr := faultEnv(t, s.URL)
	args := append(slices.Clone(cmd.args), "--timeout", "1m")
	ended := make(chan int, 1)
	go func() { ended <- Main(ctx, env, args) }()
	select {
	case <-pressed:
	case code := <-ended:
		ended <- code // most likely it was pressed, too
	}
	code, inTime := endsWithin(ended, time.Second)
	select {
	case <-pressed:
	default:
		t.Errorf("%q: ended before Ctrl-C", args)
	}
	if code != 130 || !strings.Contains(stderr.String(), "error: interrupted") {
		t.Errorf("%q: exit code %d; want 130:\n%s", cmd.args, code, stderr)
	}
	if out := stdout.String(); out != "" && !cmd.relays && !json.Valid([]byte(out)) {
		t.Errorf("%q: stdout = %q", cmd.args, out)
	}
	return inTime
}

// TestGatewayCommandsAreComplete keeps the table of faults up to date: what has
// a --gateway is in it, or talks to none, or has faults of its own.
func TestGatewayCommandsAreComplete(t *testing.T) {
	t.Parallel()
	others := map[string]string{
		"context add": "saves the address",
		"doctor":      "reports what is wrong as its result (doctor_checks.txtar)",
		"logout":      "forgets the address",
		"new":         "writes the address",
		"push":        "asks only whether the local platform is there",
		"stack add":   "writes the address",
	}
	env, _, _ := faultEnv(t, "")
	root := newRootCmd(env, "")
	covered := map[string]bool{}
	for _, c := range gatewayCommands() {
		cmd, _, err := root.Find(c.args)
		if err != nil {
			t.Fatal(err)
		}
		covered[cmd.CommandPath()] = true
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := strings.TrimPrefix(cmd.CommandPath(), "faas-cli ")
		if cmd.Runnable() && cmd.Flags().Lookup("gateway") != nil && !covered[cmd.CommandPath()] && others[path] == "" {
			t.Errorf("%s is in no row of the table of faults", path)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}
