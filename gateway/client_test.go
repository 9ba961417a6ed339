package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/schema"
)

// client talks to s through the transport stack of the CLI.
func client(t *testing.T, address string, auth gateway.Authorizer) *gateway.Client {
	t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	hc := &http.Client{Transport: gateway.NewTransport(tr, gateway.TransportOptions{UserAgent: "faas-cli/test"})}
	return gateway.New(base, hc, auth)
}

// TestFunctionLifecycle: what is deployed is listed, updated, scaled, removed.
func TestFunctionLifecycle(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{User: "admin", Password: "pa:ss", BasePath: "/sub/Path"})
	c := client(t, s.URL, gateway.BasicAuth("admin", "pa:ss"))
	ctx := t.Context()

	first, err := c.Deploy(ctx, schema.FunctionDeployment{Service: "fig", Image: "r/fig:1"})
	if err != nil || first.Updated || first.Status.String() != "202 Accepted" {
		t.Fatalf("first Deploy = %+v, %v; want a creation", first, err)
	}
	second, err := c.Deploy(ctx, schema.FunctionDeployment{Service: "fig", Image: "r/fig:2"})
	if err != nil || !second.Updated {
		t.Fatalf("second Deploy = %+v, %v; want an update", second, err)
	}
	if _, err := c.Create(ctx, schema.FunctionDeployment{Service: "fig", Image: "r/fig:2"}); !errors.Is(err, gateway.ErrConflict) {
		t.Errorf("Create of what exists: %v; want ErrConflict", err)
	}
	if _, err := c.Scale(ctx, "fig", "", 3); err != nil {
		t.Errorf("Scale: %v", err)
	}
	fn, err := c.Function(ctx, "fig", "")
	if err != nil || fn.Image != "r/fig:2" || fn.Replicas != 3 || fn.Usage == nil {
		t.Errorf("Function = %+v, %v", fn, err)
	}
	list, err := c.Functions(ctx, "")
	if err != nil || len(list) != 1 || list[0].Name != "fig" {
		t.Errorf("Functions = %+v, %v; want fig", list, err)
	}
	if err := c.Delete(ctx, "fig", ""); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if err := c.Delete(ctx, "fig", ""); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("second Delete: %v; want ErrNotFound", err)
	}
	if _, err := c.Function(ctx, "fig", ""); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Function of what is gone: %v; want ErrNotFound", err)
	}
	if list, err := c.Functions(ctx, ""); err != nil || list == nil || len(list) != 0 {
		t.Errorf("Functions = %#v, %v; want an empty list that is not nil", list, err)
	}
	for _, r := range s.Requests() {
		if !strings.HasPrefix(r.Path, "/sub/Path/system/") {
			t.Errorf("path %q lost the gateway's base path", r.Path)
		}
		if r.Header.Get("User-Agent") != "faas-cli/test" {
			t.Errorf("User-Agent = %q", r.Header.Get("User-Agent"))
		}
	}
}

// TestDeployTellsRemarks: what a gateway will not honour, and what it chose, reaches the user.
func TestDeployTellsRemarks(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	s.Inject(gatewaytest.Fault{Method: "PUT", Handler: gatewaytest.Reply(200, "", `Warning: 299 local "no \"cpu\" limit here"`,
		`X-Function-Runtime: "docker (image \"a\"\nis not native)"`)})
	sent, err := client(t, s.URL, nil).Deploy(t.Context(), schema.FunctionDeployment{Service: "a", Image: "r/a:1"})
	if err != nil || len(sent.Warnings) != 1 || sent.Warnings[0] != "no \"cpu\" limit here" || sent.Runtime != "docker (image \"a\" is not native)" {
		t.Errorf("Deploy = %+v, %v; want the warning and the runtime", sent, err)
	}
}

func TestSecretsAndNamespaces(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{Token: "jwt"})
	c := client(t, s.URL, gateway.BearerToken("jwt"))
	ctx := t.Context()

	if _, err := c.CreateNamespace(ctx, schema.FunctionNamespace{Name: "dev"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateNamespace(ctx, schema.FunctionNamespace{Name: "dev", Labels: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	ns, err := c.Namespace(ctx, "dev")
	if err != nil || ns.Labels["openfaas"] != "1" || ns.Annotations["openfaas"] != "1" || ns.Labels["a"] != "b" {
		t.Errorf("Namespace = %+v, %v; want the mark and the label", ns, err)
	}
	if list, err := c.Namespaces(ctx); err != nil || strings.Join(list, " ") != "dev openfaas-fn" {
		t.Errorf("Namespaces = %q, %v", list, err)
	}

	secret := schema.Secret{Name: "key", Namespace: "dev", Value: "v1"}
	if _, err := c.UpdateSecret(ctx, secret); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("UpdateSecret of none: %v; want ErrNotFound", err)
	}
	if _, err := c.CreateSecret(ctx, secret); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateSecret(ctx, secret); !errors.Is(err, gateway.ErrConflict) {
		t.Errorf("CreateSecret of one that is there: %v; want ErrConflict", err)
	}
	if list, err := c.Secrets(ctx, "dev"); err != nil || len(list) != 1 || list[0].Name != "key" {
		t.Errorf("Secrets = %+v, %v", list, err)
	}
	if err := c.DeleteSecret(ctx, "key", "dev"); err != nil { // the server reads the query, as faasd
		t.Errorf("DeleteSecret: %v", err)
	}
	if _, err := c.DeleteNamespace(ctx, "dev"); err != nil {
		t.Errorf("DeleteNamespace: %v", err)
	}
}

// TestDeploySendsEmptyMaps: providers read an absent map as "keep".
func TestDeploySendsEmptyMaps(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	if _, err := client(t, s.URL, nil).Deploy(t.Context(), schema.FunctionDeployment{Service: "a", Image: "r/a:1"}); err != nil {
		t.Fatal(err)
	}
	const want = `{"service":"a","image":"r/a:1","labels":{},"annotations":{}}`
	r := s.Requests()[0]
	if r.Body != want || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("sent %s (%s); want %s", r.Body, r.Header.Get("Content-Type"), want)
	}
	if _, sent := r.Header["Authorization"]; sent {
		t.Error("an Authorization header was sent without credentials (KB-6)")
	}
}

// TestCredentialsInURL: they are used, but shown nowhere and not given to functions.
func TestCredentialsInURL(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{User: "admin", Password: "hunter2"})
	s.Deploy(schema.FunctionDeployment{Service: "fig", Image: "r/fig:1"})
	c := client(t, strings.Replace(s.URL, "http://", "http://admin:hunter2@", 1), nil)
	if _, err := c.Functions(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.Inject(gatewaytest.Fault{Path: "/system/*", Handler: gatewaytest.Reply(400, "no")})
	_, err := c.Functions(t.Context(), "")
	if err == nil || strings.Contains(err.Error()+c.BaseURL()+c.FunctionURL("fig", ""), "hunter2") {
		t.Errorf("error = %v; want one without the password", err)
	}
	resp, err := c.Invoke(t.Context(), gateway.Invocation{Name: "fig"})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if last := s.Requests()[len(s.Requests())-1]; last.Header.Get("Authorization") != "" {
		t.Error("the control plane's credentials went to a function")
	}
}

func TestErrorTextIsSafeAndShort(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	c := client(t, s.URL, nil)
	cases := []struct {
		name    string
		handler http.Handler
		want    string
	}{
		{"text", gatewaytest.Reply(400, "bad\r\n thing\n"), "answered 400 Bad Request: bad thing"},
		{"control characters", gatewaytest.Reply(400, "a\x1b[2Jb\u202ec\x00\xff"), "a\uFFFD[2Jb\uFFFDc\uFFFD\uFFFD"},
		{"page of a proxy", gatewaytest.Reply(404, "<html><head><title>No\nroute</title></head><body>x"), "404 Not Found: No route"},
		{"page without title", gatewaytest.Reply(400, "<html><body>x"), "answered 400 Bad Request"},
		{"redirect", gatewaytest.Redirect(302, "https://u:p@else.example/x"), "302 Found to https://else.example/x"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s.ClearFaults()
			s.Inject(gatewaytest.Fault{Handler: tc.handler})
			_, err := c.Functions(t.Context(), "")
			if err == nil || !strings.HasPrefix(err.Error(), "list functions: "+s.URL+"/system/functions answered ") || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("error = %v; want … %s", err, tc.want)
			}
		})
	}
}

func TestHugeErrorBodyIsNotRead(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	s.Inject(gatewaytest.Fault{Handler: gatewaytest.Flood(500, 1<<30)})
	_, err := client(t, s.URL, nil).Functions(t.Context(), "")
	var e *gateway.Error
	if !errors.As(err, &e) || e.Status != 500 || len(e.Message) > 4<<10 {
		t.Errorf("error = %.100v; want status 500 and at most 4 KiB of text", err)
	}
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	c := client(t, s.URL, nil)
	cases := []struct {
		name    string
		handler http.Handler
		want    error
	}{
		{"dropped", gatewaytest.Drop(), gateway.ErrUnreachable},
		{"hanging", gatewaytest.Hang(), gateway.ErrTimeout},
		{"hanging in the body", gatewaytest.HangInBody(200, `[{"name":"a"},`), gateway.ErrTimeout},
		{"cut in the body", gatewaytest.CutBody(200, `[{"name":"a"},`), gateway.ErrConnectionLost},
		{"truncated", gatewaytest.Reply(200, `[{"name":"a"},`), gateway.ErrMalformed},
		{"empty", gatewaytest.Reply(200, ""), gateway.ErrMalformed},
		{"an object", gatewaytest.Reply(200, `{"functions":[]}`), gateway.ErrMalformed},
		{"strings", gatewaytest.Reply(200, `["a"]`), gateway.ErrMalformed},
		{"a page", gatewaytest.Reply(200, `<html>`), gateway.ErrMalformed},
		{"unauthorized", gatewaytest.Reply(401, ""), gateway.ErrUnauthorized},
		{"forbidden", gatewaytest.Reply(403, ""), gateway.ErrUnauthorized},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s.ClearFaults()
			s.Inject(gatewaytest.Fault{Handler: tc.handler})
			c := c
			if errors.Is(tc.want, gateway.ErrTimeout) {
				c = c.WithTimeout(300 * time.Millisecond)
			}
			list, err := c.Functions(t.Context(), "")
			if !errors.Is(err, tc.want) || list != nil {
				t.Errorf("Functions = %v, %v; want nil and %v", list, err, tc.want)
			}
			if err != nil && !strings.Contains(err.Error(), s.URL) {
				t.Errorf("%q does not name the URL", err)
			}
		})
	}
}

// TestWriteWithoutCompleteAnswerFails: a 202 whose body never ends is not known to be one.
func TestWriteWithoutCompleteAnswerFails(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	c := client(t, s.URL, nil).WithTimeout(300 * time.Millisecond)
	for _, h := range []http.Handler{gatewaytest.HangInBody(202, "x"), gatewaytest.CutBody(202, "x")} {
		s.ClearFaults()
		s.Inject(gatewaytest.Fault{Handler: h})
		if _, err := c.Deploy(t.Context(), schema.FunctionDeployment{Service: "a", Image: "r/a:1"}); err == nil {
			t.Error("Deploy succeeded")
		}
	}
}

func TestCancellationCauseIsReported(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	s.Inject(gatewaytest.Fault{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(cause)
		<-r.Context().Done()
	})})
	if _, err := client(t, s.URL, nil).Functions(ctx, ""); !errors.Is(err, cause) {
		t.Errorf("error = %v; want the cause", err)
	}
}

func TestBadNamesAreNotSent(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	c := client(t, s.URL, nil)
	for _, name := range []string{"", "..", "a/../b", "a?b", "a b", "ä"} {
		if _, err := c.Function(t.Context(), name, ""); err == nil {
			t.Errorf("Function(%q) succeeded", name)
		}
		if _, err := c.Scale(t.Context(), name, "", 1); err == nil {
			t.Errorf("Scale(%q) succeeded", name)
		}
		if _, err := c.DeleteNamespace(t.Context(), name); err == nil {
			t.Errorf("DeleteNamespace(%q) succeeded", name)
		}
		if _, err := c.Invoke(t.Context(), gateway.Invocation{Name: name}); err == nil {
			t.Errorf("Invoke(%q) succeeded", name)
		}
	}
	if got := s.Requests(); len(got) > 0 {
		t.Errorf("sent %v", got)
	}
}

// TestRedirects: credentials stay with their server, and a write is never turned into a read.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var seen http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(other.Close)
	s := gatewaytest.New(t, gatewaytest.Options{})
	c := client(t, s.URL, gateway.BasicAuth("admin", "x"))

	s.Inject(gatewaytest.Fault{Path: "/system/secrets", Handler: gatewaytest.Redirect(301, other.URL)})
	if _, err := c.Secrets(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if seen.Get("Authorization") != "" {
		t.Error("credentials went to another port")
	}
	if _, err := c.CreateSecret(t.Context(), schema.Secret{Name: "a", Value: "b"}); err == nil {
		t.Error("a redirected POST became a GET that succeeded")
	}

	s.ClearFaults()
	seen = nil
	for path, write := range map[string]func() error{
		"/system/secrets": func() error {
			_, err := c.UpdateSecret(t.Context(), schema.Secret{Name: "a", Value: "b"})
			return err
		},
		"/system/functions": func() error { return c.Delete(t.Context(), "fn", "") },
		"/oauth/token": func() error {
			_, err := c.FunctionToken(t.Context(), "id", "fn", "dev")
			return err
		},
	} {
		s.Inject(gatewaytest.Fault{Path: path, Times: 1, Handler: gatewaytest.Redirect(307, other.URL)})
		var refused *gateway.Error
		if err := write(); !errors.As(err, &refused) || refused.Status != 307 || refused.Location != other.URL || seen != nil {
			t.Errorf("a write to %s was taken to another server: %v", path, err)
		}
	}

	s.AddSecret(schema.Secret{Name: "a", Value: "b"})
	s.Inject(gatewaytest.Fault{Method: "PUT", Path: "/system/secrets", Times: 1, Handler: gatewaytest.Redirect(308, "/system/secrets?x=1")})
	if _, err := c.UpdateSecret(t.Context(), schema.Secret{Name: "a", Value: "new"}); err != nil {
		t.Error(err)
	}
	if got, _ := s.Secret("a", ""); got.Value != "new" {
		t.Error("a write did not follow a redirect within its server")
	}

	s.Inject(gatewaytest.Fault{Method: "GET", Path: "/system/secrets", Times: 1, Handler: gatewaytest.Redirect(307, "/system/secrets?x=1")})
	s.ResetRequests()
	if _, err := c.Secrets(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if r := s.Requests(); len(r) != 2 || r[1].Header.Get("Authorization") == "" {
		t.Error("credentials were dropped on a redirect within the server")
	}

	s.Inject(gatewaytest.Fault{Path: "/system/functions", Handler: gatewaytest.Redirect(302, other.URL)})
	if _, err := c.Functions(t.Context(), ""); err == nil {
		t.Error("the list of functions followed a redirect")
	}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	s.Deploy(schema.FunctionDeployment{Service: "fig", Image: "r/fig:1"})
	c := client(t, s.URL, gateway.BearerToken("control"))
	cases := []struct {
		name string
		call gateway.Invocation
		want string // METHOD path?query
	}{
		{"plain", gateway.Invocation{Name: "fig"}, "POST /function/fig"},
		{"namespace and path", gateway.Invocation{Name: "fig", Namespace: "openfaas-fn", Path: "/a%2Fb/c/", Method: "GET"}, "GET /function/fig.openfaas-fn/a%2Fb/c/"},
		{"query", gateway.Invocation{Name: "fig", Query: url.Values{"q": {"x y"}, "a": {"b"}}}, "POST /function/fig?a=b&q=x+y"},
		{"climbing path", gateway.Invocation{Name: "fig", Path: "/../../system/functions"}, "POST /function/fig/system/functions"},
		{"async", gateway.Invocation{Name: "fig", Async: true}, "POST /async-function/fig"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s.ResetRequests()
			resp, err := c.Invoke(t.Context(), tc.call)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			r := s.Requests()[0]
			got := r.Method + " " + r.Path
			if r.Query != "" {
				got += "?" + r.Query
			}
			if got != tc.want || r.Header.Get("Authorization") != "" {
				t.Errorf("sent %s, Authorization %q; want %s without", got, r.Header.Get("Authorization"), tc.want)
			}
		})
	}
}

func TestFunctionToken(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	c := client(t, s.URL, nil)
	if token, err := c.FunctionToken(t.Context(), "id", "fig", "dev"); err != nil || token != "fn-id" {
		t.Errorf("FunctionToken = %q, %v", token, err)
	}
	if _, err := c.FunctionToken(t.Context(), "", "fig", "dev"); err == nil || !strings.Contains(err.Error(), "invalid_request: subject_token") {
		t.Errorf("error = %v; want what the server says", err)
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, gatewaytest.Options{})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.AddLogs(
		schema.LogMessage{Name: "fig", Timestamp: at, Text: "one"},
		schema.LogMessage{Name: "other", Timestamp: at, Text: "no"},
		schema.LogMessage{Name: "fig", Timestamp: at.Add(time.Second), Text: "two"},
	)
	c := client(t, s.URL, nil)
	var got []string
	for m, err := range c.Logs(t.Context(), gateway.LogQuery{Name: "fig", Follow: true, Tail: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Text)
		if len(got) == 1 {
			s.AddLogs(schema.LogMessage{Name: "fig", Timestamp: at.Add(2 * time.Second), Text: "three"})
			continue
		}
		break
	}
	if strings.Join(got, " ") != "two three" {
		t.Errorf("followed %q; want two three", got)
	}

	for name, h := range map[error]http.Handler{
		gateway.ErrConnectionLost: gatewaytest.CutBody(200, `{"name":"fig","text":"a"}`+"\n"+`{"na`),
		gateway.ErrLogTruncated:   gatewaytest.Reply(200, `{"name":"fig","text":"a"}`+"\n"+`{"na`),
		gateway.ErrNotFound:       gatewaytest.Reply(404, ""),
	} {
		s.ClearFaults()
		s.Inject(gatewaytest.Fault{Handler: h})
		var last error
		for _, last = range c.Logs(t.Context(), gateway.LogQuery{Name: "fig"}) {
		}
		var e *gateway.Error
		if !errors.Is(last, name) || !errors.As(last, &e) {
			t.Errorf("last error = %v; want an *Error that is %v", last, name)
		}
	}
}

// TestOpenLogsAsJSON ensures that records without decoded texts print as those
// with them do, and that what is no log is found all the same.
func TestOpenLogsAsJSON(t *testing.T) {
	t.Parallel()
	line := func(text string) string { return strings.Replace(logLine, `hello\n`, text, 1) + "\n" }
	streams := []string{
		line("plain") + line("größe 😀") + line(`\"a\"\\b\/\b\f\n\r\t\u003cb\u003e\u00e9`) + line(""),
		line(`\ud83d\ude00`) + line(`\ud83d`) + line("a\xffb") + line("next"),
		everyLength(), logLine, line("a") + `{"text":"t"}` + "\n" + line("b"),
		line("a") + line(`\x`), line("a") + line(`\u12g4`), line("a") + line("\x01"), line("a") + line("\t") + line("b"), line("a") + line(`\`), line("a") + `{"text":`,
		strings.Repeat(line(strings.Repeat(`0123456789\"`, 99)), 1000),
	}
	for _, stream := range streams {
		s := gatewaytest.New(t, gatewaytest.Options{})
		s.Inject(gatewaytest.Fault{Handler: gatewaytest.Reply(200, stream)})
		var printed [2][]byte
		var failed [2]error
		for i, asJSON := range []bool{false, true} {
			log, err := client(t, s.URL, nil).OpenLogs(t.Context(), gateway.LogQuery{Name: "fn"}, gateway.LogReading{JSON: asJSON})
			if err != nil {
				t.Fatal(err)
			}
			var rec gateway.LogRecord
			for failed[i] = log.Next(&rec); failed[i] == nil; failed[i] = log.Next(&rec) {
				if printed[i], err = rec.AppendJSON(printed[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
		}
		if !bytes.Equal(printed[0], printed[1]) || failed[0].Error() != failed[1].Error() {
			t.Errorf("of %.200q\nwith texts %.300s, %v\nwithout    %.300s, %v", stream, printed[0], failed[0], printed[1], failed[1])
		}
	}
}

// TestOpenLogsIdle ensures that what has arrived is handed out before the next
// wait is announced, and that closing ends a wait.
func TestOpenLogsIdle(t *testing.T) {
	t.Parallel()
	idle := make(chan int, 100)
	s := gatewaytest.New(t, gatewaytest.Options{})
	s.Inject(gatewaytest.Fault{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, logLine)
		fmt.Fprintln(w, logLine)
		_ = http.NewResponseController(w).Flush()
		for n := range idle {
			if n == 2 { // both are out: now, and not before, comes more
				break
			}
		}
		fmt.Fprintln(w, logLine)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})})
	var got int
	log, err := client(t, s.URL, nil).OpenLogs(t.Context(), gateway.LogQuery{Name: "fn"}, gateway.LogReading{Idle: func() { idle <- got }})
	if err != nil {
		t.Fatal(err)
	}
	var rec gateway.LogRecord
	for range 3 {
		if err := log.Next(&rec); err != nil {
			t.Fatal(err)
		}
		got++
	}
	if err := log.Close(); err != nil { // the server goes on waiting
		t.Error(err)
	}
}
