package commands

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/schema"
)

// interruptSignal is what Ctrl-C sends.
func interruptSignal() os.Signal { return os.Interrupt }

// functionAt starts a gateway with one function, and an environment for it
// whose standard input is in.
func functionAt(t *testing.T, in io.Reader, h http.HandlerFunc) (env *Env, stdout, stderr *bytes.Buffer) {
	t.Helper()
	gw := gatewaytest.New(t, gatewaytest.Options{})
	gw.Deploy(schema.FunctionDeployment{Service: "fn", Image: "r/fn:1"})
	gw.Handle("fn", h)
	env, stdout, stderr = faultEnv(t, gw.URL)
	env.Term.In = in
	return env, stdout, stderr
}

func TestParseCallee(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]callee{
		"fn":                  {name: "fn"},
		"fn.dev":              {name: "fn", namespace: "dev"},
		"fn/api/v1":           {name: "fn", path: "/api/v1"},
		"fn.dev/a.b/c%20d?x=": {name: "fn", namespace: "dev", path: "/a.b/c%20d"},
		"a.b.dev/":            {name: "a.b", namespace: "dev", path: "/"},
	} {
		got, err := parseCallee(text)
		got.query = nil
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseCallee(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]struct {
		name, value string
		old         bool
	}{
		"X-A: b":                      {"X-A", "b", false},
		"X-A:b=c:d":                   {"X-A", "b=c:d", false},
		"X-A=b":                       {"X-A", "b", true},
		"X-Callback-Url=http://h:1/p": {"X-Callback-Url", "http://h:1/p", true},
	} {
		h, old, err := parseHeaders([]string{value})
		if err != nil || h.Get(want.name) != want.value || len(h) != 1 || old != want.old {
			t.Errorf("%q gives %v, old %v, %v; want %+v", value, h, old, err, want)
		}
	}
	for _, value := range []string{"", "X-A", ": v", "=v", "X-A:", "X-A= ", "a b: c", "X-A: b\r\nX-B: c"} {
		if h, _, err := parseHeaders([]string{value}); err == nil {
			t.Errorf("%q gives %v; want an error", value, h)
		}
	}
}

// TestInvokeStreamsBothWays has a function that answers each line before it
// gets the next: nothing may wait for an end.
func TestInvokeStreamsBothWays(t *testing.T) {
	t.Parallel()
	in, input := io.Pipe()
	gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.Header().Set("Content-Type", "text/event-stream")
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			_, _ = w.Write(bytes.ToUpper(b[:n]))
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(gw.Close)
	env, _, stderr := faultEnv(t, gw.URL)
	output, out := io.Pipe()
	env.Term.In, env.Term.Out = in, out
	code := make(chan int, 1)
	go func() { code <- Main(t.Context(), env, []string{"invoke", "fn"}) }()
	for i := range 3 {
		line := fmt.Sprintf("line %d\n", i)
		if _, err := io.WriteString(input, line); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(line))
		if _, err := io.ReadFull(output, b); err != nil || string(b) != strings.ToUpper(line) {
			t.Fatalf("answer %q, %v", b, err)
		}
	}
	_ = input.Close()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d: %s", c, stderr)
	}
}

func TestInvokeShortInputHasALength(t *testing.T) {
	t.Parallel()
	lengths := make(chan int64, 1)
	env, _, stderr := functionAt(t, strings.NewReader("short"), func(_ http.ResponseWriter, r *http.Request) { lengths <- r.ContentLength })
	if code := Main(t.Context(), env, []string{"invoke", "fn"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if n := <-lengths; n != 5 {
		t.Errorf("Content-Length %d; want 5", n)
	}
}

// TestInvokeRepeats: with --retry, and with a signature that all attempts
// share, whatever the body comes from.
func TestInvokeRepeats(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 3*spoolLimit/16)
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		in   func(t *testing.T) io.Reader
		args []string
		want string
	}{
		"short pipe": {in: func(*testing.T) io.Reader { return strings.NewReader("hi") }, want: "hi"},
		"long pipe":  {in: func(*testing.T) io.Reader { return strings.NewReader(long) }, want: long},
		"text":       {args: []string{"-d", "hi"}, want: "hi"},
		"file":       {args: []string{"-d", "@" + file}, want: long},
		"stdin that is a file, from where it stands": {want: long[7:], in: func(t *testing.T) io.Reader {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			if _, err := f.Seek(7, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			return f
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var attempts atomic.Int32
			in := io.Reader(strings.NewReader("unread"))
			if tt.in != nil {
				in = tt.in(t)
			}
			env, stdout, stderr := functionAt(t, in, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) != tt.want || r.ContentLength != int64(len(tt.want)) {
					t.Errorf("attempt %d: %d bytes (Content-Length %d), %v; want %d", attempts.Load(), len(body), r.ContentLength, err, len(tt.want))
				}
				if attempts.Add(1) < 3 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				_, _ = io.WriteString(w, r.Header.Get("X-Sig"))
			})
			args := append([]string{"invoke", "fn", "--retry", "2", "--sign", "X-Sig", "--key", "s3"}, tt.args...)
			if code := Main(t.Context(), env, args); code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			const ofHi = "sha256=22ff67b77640a8b3730e3705c24c2e438fd54b66162d7cca58ba3eb1913eef55"
			if got := stdout.String(); !strings.HasPrefix(got, "sha256=") || tt.want == "hi" && got != ofHi {
				t.Errorf("signature %q", got)
			}
		})
	}
}

// TestInvokeGetsTokens covers gateways with IAM.
func TestInvokeGetsTokens(t *testing.T) {
	t.Parallel()
	const challenge = `Bearer realm="IAM function invoke"`
	for name, tt := range map[string]struct {
		args      []string
		want      []string // requests: path and Authorization
		exit      int
		challenge string
	}{
		"on demand":     {args: []string{"--token", "id"}, want: []string{"/function/fn ", "/oauth/token ", "/function/fn Bearer fn-id"}, challenge: challenge},
		"up front":      {args: []string{"--token", "id", "--auth"}, want: []string{"/oauth/token ", "/function/fn Bearer fn-id"}, challenge: challenge},
		"without login": {want: []string{"/function/fn "}, exit: exitAuth, challenge: challenge},
		"the function's own refusal": {
			args: []string{"--token", "id"}, want: []string{"/function/fn "}, exit: exitFailed, challenge: `Basic realm="mine"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []string
			gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, r.URL.Path+" "+r.Header.Get("Authorization"))
				switch {
				case r.URL.Path == "/oauth/token":
					_, _ = io.WriteString(w, `{"access_token":"fn-`+r.FormValue("subject_token")+`"}`)
				case r.Header.Get("Authorization") == "":
					w.Header().Set("WWW-Authenticate", tt.challenge)
					w.WriteHeader(http.StatusUnauthorized)
				default:
					_, _ = io.Copy(w, r.Body)
				}
			}))
			t.Cleanup(gw.Close)
			env, stdout, stderr := faultEnv(t, gw.URL)
			code := Main(t.Context(), env, append([]string{"invoke", "fn", "-d", "body"}, tt.args...))
			if code != tt.exit || !reflect.DeepEqual(seen, tt.want) || tt.exit == 0 && stdout.String() != "body" {
				t.Errorf("exit code %d, requests %q, printed %q; want %d, %q\n%s", code, seen, stdout, tt.exit, tt.want, stderr)
			}
		})
	}
}

// iamGateway is a gateway with IAM that records what it is asked, as path and
// Authorization. Each of tokens is what one exchange gives; call says what
// happens to an invocation that brings a token.
func iamGateway(t *testing.T, tokens []http.Handler, call func(token string) int) (url string, seen func() []string) {
	t.Helper()
	var mu sync.Mutex
	var requests []string
	gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // only then does the server notice that a client goes
		token := r.Header.Get("Authorization")
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, r.URL.Path+" "+token)
		if r.URL.Path == "/oauth/token" {
			next := tokens[0]
			tokens = tokens[min(1, len(tokens)-1):]
			next.ServeHTTP(w, r)
			return
		}
		status := http.StatusUnauthorized
		if token != "" {
			status = call(token)
		}
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="IAM function invoke", error="invalid_token"`)
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(gw.Close)
	return gw.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return requests
	}
}

// TestInvokeTokenFaults: whatever the exchange answers, it is done once, and a
// token is taken however it says when it ends.
func TestInvokeTokenFaults(t *testing.T) {
	t.Parallel()
	page := "<html><head><title>Sign in</title></head><body>log in to the VPN</body></html>"
	for name, tt := range map[string]struct {
		exchange http.Handler
		status   int // of the call with the token; 0: 200
		args     []string
		exit     int
		says     string
	}{
		"no expires_in":          {exchange: gatewaytest.Reply(200, `{"access_token":"t"}`)},
		"expires_in of 0":        {exchange: gatewaytest.Reply(200, `{"access_token":"t","expires_in":0}`)},
		"expires_in in the past": {exchange: gatewaytest.Reply(200, `{"access_token":"t","expires_in":-60}`)},
		"expires_in as a text":   {exchange: gatewaytest.Reply(200, `{"access_token":"t","expires_in":"3600"}`)},
		"expires_in of null":     {exchange: gatewaytest.Reply(201, `{"access_token":"t","expires_in":null}`)},
		"a token that is refused": {
			exchange: gatewaytest.Reply(200, `{"access_token":"t","expires_in":3600}`), status: 401, exit: exitAuth, says: "401",
		},
		"a page":             {exchange: gatewaytest.Reply(200, page, "Content-Type: text/html"), exit: exitFailed, says: "unexpected answer"},
		"a page of an error": {exchange: gatewaytest.Reply(502, page, "Content-Type: text/html"), exit: exitFailed, says: "502 Bad Gateway: Sign in"},
		"no token":           {exchange: gatewaytest.Reply(200, `{"access_token":""}`), exit: exitFailed, says: "without access_token"},
		"a list":             {exchange: gatewaytest.Reply(200, `["t"]`), exit: exitFailed, says: "JSON of another shape: array"},
		"an expired login":   {exchange: gatewaytest.Reply(401, "token is expired"), exit: exitAuth, says: "token is expired"},
		"an expired login in the words of OAuth": {
			exchange: gatewaytest.Reply(400, `{"error":"invalid_request","error_description":"token is expired"}`),
			exit:     exitAuth, says: "invalid_request: token is expired",
		},
		"a function nobody may call": {
			exchange: gatewaytest.Reply(400, `{"error":"invalid_target"}`), exit: exitFailed, says: "400 Bad Request: invalid_target",
		},
		"dropped": {exchange: gatewaytest.Drop(), exit: exitFailed, says: "unreachable"},
		"cut":     {exchange: gatewaytest.CutBody(200, `{"access_token":"t`), exit: exitFailed, says: "connection lost"},
		// Also for the call before, which is answered.
		"hanging":  {exchange: gatewaytest.Hang(), args: []string{"--timeout", "5s"}, exit: exitFailed, says: "within 5s"},
		"flooding": {exchange: gatewaytest.Flood(500, 1<<30), exit: exitFailed, says: "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, seen := iamGateway(t, []http.Handler{tt.exchange}, func(string) int { return max(tt.status, http.StatusOK) })
			env, stdout, stderr := faultEnv(t, url)
			code := Main(t.Context(), env, append([]string{"invoke", "fn", "-d", "body", "--token", "hunter2"}, tt.args...))
			want := []string{"/function/fn ", "/oauth/token "}
			if tt.exit == 0 || tt.status != 0 {
				want = append(want, "/function/fn Bearer t")
			}
			if code != tt.exit || !reflect.DeepEqual(seen(), want) || !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("exit code %d, requests %q; want %d, %q and %q:\n%s", code, seen(), tt.exit, want, tt.says, stderr)
			}
			if out := stdout.String(); (tt.exit == 0) != (out == "body") || tt.exit != 0 && out != "" {
				t.Errorf("printed %q", out)
			}
			if text := stderr.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "<body>") || strings.Count(text, "error:") > 1 {
				t.Errorf("it says:\n%s", text)
			}
		})
	}
}

// TestInvokeKeepsItsToken: repeated calls share a token until the gateway
// refuses it, and then get one new one each time.
func TestInvokeKeepsItsToken(t *testing.T) {
	t.Parallel()
	token := func(name string) http.Handler {
		return gatewaytest.Reply(200, `{"access_token":"`+name+`","expires_in":1}`)
	}
	for name, tt := range map[string]struct {
		args   []string
		tokens []http.Handler
		call   func() func(token string) int
		want   []string
	}{
		"on demand": {
			tokens: []http.Handler{token("one")}, call: func() func(string) int { return inTurn(503, 503, 200) },
			want: []string{"/function/fn ", "/oauth/token ", "/function/fn Bearer one", "/function/fn Bearer one", "/function/fn Bearer one"},
		},
		"run out on the way": {
			args: []string{"--auth"}, tokens: []http.Handler{token("one"), token("two")}, call: func() func(string) int { return inTurn(503, 401, 200) },
			want: []string{"/oauth/token ", "/function/fn Bearer one", "/function/fn Bearer one", "/oauth/token ", "/function/fn Bearer two"},
		},
		"the provider away for a moment": {
			args: []string{"--auth"}, tokens: []http.Handler{gatewaytest.Reply(503, ""), token("one")}, call: func() func(string) int { return inTurn(200) },
			want: []string{"/oauth/token ", "/oauth/token ", "/function/fn Bearer one"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, seen := iamGateway(t, tt.tokens, tt.call())
			env, stdout, stderr := faultEnv(t, url)
			code := Main(t.Context(), env, append([]string{"invoke", "fn", "-d", "body", "--token", "id", "--retry", "2"}, tt.args...))
			if code != 0 || stdout.String() != "body" || !reflect.DeepEqual(seen(), tt.want) {
				t.Errorf("exit code %d, printed %q, requests %q; want %q:\n%s", code, stdout, seen(), tt.want, stderr)
			}
		})
	}
}

// inTurn answers with one status after the other.
func inTurn(statuses ...int) func(string) int {
	return func(string) int {
		status := statuses[0]
		statuses = statuses[min(1, len(statuses)-1):]
		return status
	}
}

// TestRefusedTokenHints: who is refused with a token that was saved hears that
// it has run out, if it has; whatever the clock says, it is sent.
func TestRefusedTokenHints(t *testing.T) {
	t.Parallel()
	const now = 1_700_000_000 // 2023-11-14T22:13:20Z
	claims := func(text string) string {
		return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".c2ln"
	}
	for name, tt := range map[string]struct{ auth, token, says string }{
		"run out":        {"oauth2", claims(`{"exp":1699999999}`), "ran out at 2023-11-14T22:13:19Z"},
		"looks valid":    {"oauth2", claims(`{"exp":1700000001}`), "get a new one"},
		"does not say":   {"oauth2", claims(`{"exp":"soon"}`), "get a new one"},
		"no web token":   {"oauth2", "opaque", "get a new one"},
		"a password":     {"basic", "YWRtaW46eA==", "run faas-cli login"},
		"an empty token": {"oauth2", "", "run faas-cli login"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{{"list"}, {"deploy", "--image", "r/fn:1", "--name", "fn"}, {"namespace", "list"}, {"invoke", "fn", "--auth", "-d", "x"}} {
				gw := gatewaytest.New(t, gatewaytest.Options{})
				gw.Inject(gatewaytest.Fault{Handler: gatewaytest.Reply(401, "no", `WWW-Authenticate: Bearer realm="IAM function invoke"`)})
				env, _, stderr := faultEnv(t, gw.URL)
				env.Now = func() time.Time { return time.Unix(now, 0) }
				file := filepath.Join(env.Dir, ".openfaas", "config.yml")
				text := fmt.Sprintf("auths:\n- {gateway: %q, auth: %s, token: %q}\n", gw.URL, tt.auth, tt.token)
				if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
				code := Main(t.Context(), env, args)
				if code != exitAuth || !strings.Contains(stderr.String(), "\nhint: ") || !strings.Contains(stderr.String(), tt.says) {
					t.Errorf("%q: exit code %d; want %d and %q:\n%s", args, code, exitAuth, tt.says, stderr)
				}
				sent := gw.Requests()[0]
				if bearer := sent.Header.Get("Authorization") == "Bearer "+tt.token; args[0] != "invoke" && bearer != (tt.auth == "oauth2" && tt.token != "") {
					t.Errorf("%q: sent %q", args, sent.Header.Get("Authorization"))
				}
			}
		})
	}
}

// TestInvokeTellsOfALostBody: a redirect is followed as browsers do, and what
// that costs is said.
func TestInvokeTellsOfALostBody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		args   []string
		warns  bool
	}{
		"turned into a GET": {http.StatusMovedPermanently, []string{"-d", "x"}, true},
		"kept":              {http.StatusPermanentRedirect, []string{"-d", "x"}, false},
		"no body":           {http.StatusSeeOther, nil, false},
		"a GET already":     {http.StatusFound, []string{"-m", "get", "-d", "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, stdout, stderr := functionAt(t, strings.NewReader(""), func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/there" {
					http.Redirect(w, r, "/function/fn/there?key=hunter2", tt.status)
					return
				}
				_, _ = io.WriteString(w, r.Method)
			})
			code := Main(t.Context(), env, append([]string{"invoke", "fn"}, tt.args...))
			if warns := strings.Contains(stderr.String(), "/function/fn/there, as a GET without its body"); code != 0 || warns != tt.warns || stdout.Len() == 0 {
				t.Errorf("exit code %d, printed %q, warned: %v; want %v:\n%s", code, stdout, warns, tt.warns, stderr)
			}
			if strings.Contains(stderr.String(), "hunter2") {
				t.Errorf("a secret is shown: %s", stderr)
			}
		})
	}
}

// TestTokensWithLineBreaks: the one at the end, of a file or a variable, does
// not count; one inside is told of before anything is sent.
func TestTokensWithLineBreaks(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.New(t, gatewaytest.Options{Token: "hunter2"})
	env, stdout, stderr := faultEnv(t, gw.URL)
	if code := Main(t.Context(), env, []string{"list", "--json", "--token", " hunter2\r\n"}); code != 0 || stdout.String() != "[]\n" {
		t.Errorf("exit code %d, printed %q: %s", code, stdout, stderr)
	}
	gw.ResetRequests()
	config := filepath.Join(env.Dir, ".openfaas", "config.yml")
	saved := fmt.Sprintf("auths: [{gateway: %q, auth: oauth2, token: \"hun\\nter2\"}]\n", gw.URL)
	if err := errors.Join(os.Mkdir(filepath.Dir(config), 0o700), os.WriteFile(config, []byte(saved), 0o600)); err != nil {
		t.Fatal(err)
	}
	for code, args := range map[int][]string{exitUsage: {"list", "--token", "hun\nter2"}, exitFailed: {"list"}} {
		stderr.Reset()
		if got := Main(t.Context(), env, args); got != code || !strings.Contains(stderr.String(), "control character") || strings.Contains(stderr.String(), "ter2") {
			t.Errorf("%q: exit code %d; want %d: %s", args, got, code, stderr)
		}
	}
	if got := gw.Requests(); len(got) > 0 {
		t.Errorf("sent %v", got)
	}
}

// TestSilentStandardInput: a job in CI does not wait for ever for input that
// never comes, and does wait for slow input.
func TestSilentStandardInput(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delay time.Duration // before the input, 0: none ever
		want  string
	}{"never": {0, ""}, "late": {silentStdin - time.Millisecond, "late"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				if tt.delay > 0 {
					go func() {
						time.Sleep(tt.delay)
						_, _ = io.WriteString(w, tt.want)
						_ = w.Close()
					}()
				}
				env := &Env{Term: term.Test(r, io.Discard, io.Discard), Lookup: func(key string) (string, bool) { return "true", key == "CI" }}
				start := time.Now()
				p, err := openPayload(t.Context(), env, "", false, false)
				if err != nil {
					t.Fatal(err)
				}
				body, err := p.open()
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(body)
				if took := time.Since(start); err != nil || string(got) != tt.want || took > silentStdin+time.Second {
					t.Errorf("body %q after %s, %v; want %q", got, took, err, tt.want)
				}
				_ = r.CloseWithError(io.EOF) // lets the reader in the background go
				_ = w.Close()
			})
		})
	}
}

// TestSpoolLeavesNothingBehind: a long body that must be read twice is in a
// private file that has no name any more.
func TestSpoolLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	env := &Env{Term: term.Test(strings.NewReader(strings.Repeat("x", 2*spoolLimit)), io.Discard, io.Discard), Lookup: func(string) (string, bool) { return "", false }}
	p, err := openPayload(t.Context(), env, "", false, true)
	if err != nil || p.size != 2*spoolLimit {
		t.Fatalf("%d bytes, %v", p.size, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v in the temporary folder", entries, err)
	}
	p.close()
	broken := env.Term
	broken.In = io.MultiReader(strings.NewReader(strings.Repeat("x", 2*spoolLimit)), failingReader{errors.New("broken pipe")})
	if _, err := openPayload(t.Context(), env, "", false, true); err == nil {
		t.Error("half a body was taken")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v in the temporary folder after a failure", entries, err)
	}
}

func TestInvokeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in      io.Reader
		handler http.HandlerFunc
	}{
		"while the function thinks": {strings.NewReader("x"), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"in the answer": {strings.NewReader("x"), func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := make(chan struct{})
			env, _, stderr := functionAt(t, tt.in, func(w http.ResponseWriter, r *http.Request) {
				close(called)
				_, _ = io.Copy(io.Discard, r.Body)
				tt.handler(w, r)
			})
			ctx, cancel := context.WithCancelCause(t.Context())
			code := make(chan int, 1)
			go func() { code <- Main(ctx, env, []string{"invoke", "fn"}) }()
			<-called
			cancel(Signalled(interruptSignal()))
			if c, inTime := endsWithin(code, time.Second); c != 130 || !inTime {
				t.Errorf("exit code %d, within a second: %t: %s", c, inTime, stderr)
			}
		})
	}
}

func TestInvokeTimeoutCoversTheAnswer(t *testing.T) {
	t.Parallel()
	env, _, stderr := functionAt(t, strings.NewReader(""), func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if code := Main(t.Context(), env, []string{"invoke", "fn", "--timeout", "50ms"}); code != exitFailed || !strings.Contains(stderr.String(), "within 50ms") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	answer := func(after time.Duration) error {
		return fmt.Errorf("get a token: %w", &gateway.Error{RetryAfter: after})
	}
	for _, tt := range []struct {
		attempt  int
		failure  error
		min, max time.Duration
	}{
		{0, nil, firstInvokeRetry / 2, firstInvokeRetry},
		{2, nil, 2 * firstInvokeRetry, 4 * firstInvokeRetry},
		{60, nil, maxInvokeRetry / 2, maxInvokeRetry},
		{0, answer(7 * time.Second), 7 * time.Second, 7 * time.Second},
		{0, answer(time.Hour), maxInvokeRetry, maxInvokeRetry},
		{0, answer(0), firstInvokeRetry / 2, firstInvokeRetry},
	} {
		if got := retryDelay(tt.attempt, tt.failure); got < tt.min || got > tt.max {
			t.Errorf("attempt %d: %s; want %s to %s", tt.attempt, got, tt.min, tt.max)
		}
	}
}

// TestPayloadFileIsSentByTheKernel ensures that net/http gets to see a file as
// one, which a wrapper around it prevents.
func TestPayloadFileIsSentByTheKernel(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard), Lookup: func(string) (string, bool) { return "", false }}
	p, err := openPayload(t.Context(), env, "@"+file, true, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	body, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/function/x", body)
	if _, ok := req.Body.(syscall.Conn); !ok {
		t.Errorf("the body of the request is a %T", req.Body)
	}
	if err := req.Body.Close(); err != nil {
		t.Error(err)
	}
	if again, err := p.open(); err != nil {
		t.Error(err)
	} else if text, err := io.ReadAll(again); err != nil || string(text) != "hello" {
		t.Errorf("read again: %q, %v", text, err)
	}
}

// TestLastLinesOfALateGateway ensures that a gateway which takes longer to
// answer than a log may be quiet is waited for.
func TestLastLinesOfALateGateway(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.New(t, gatewaytest.Options{Delay: 2 * localLogQuiet})
	for i := range localLogLines + 1 {
		gw.AddLogs(schema.LogMessage{Name: "fn", Text: fmt.Sprintf("line %d\n", i)})
	}
	base, err := url.Parse(gw.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	lines := lastLines(t.Context(), gateway.New(base, &http.Client{Transport: transport}, nil), gateway.LogQuery{Name: "fn", Follow: true, Tail: -1})
	if len(lines) != localLogLines || lines[0] != "line 1" || lines[localLogLines-1] != fmt.Sprintf("line %d", localLogLines) {
		t.Errorf("lines %q", lines)
	}
}
