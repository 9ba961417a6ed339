package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
)

type invokeOptions struct {
	gateway     gatewayFlags
	stack       stackFlags
	function    string
	method      string
	contentType string
	ownType     bool // --content-type was given
	query       []string
	headers     []string
	data        string
	ownData     bool // --data was given
	async       bool
	callback    string
	sign, key   string
	auth        bool
	include     bool
	timeout     time.Duration
	retry       int
}

func newInvokeCmd(env *Env) *cobra.Command {
	var o invokeOptions
	cmd := &cobra.Command{
		Use:   "invoke NAME[.NAMESPACE][/PATH]",
		Short: "Call a function",
		Long: `Call a function with standard input, or --data, as the body. Its answer goes to
standard output as it arrives; an answer other than 2xx is an error.

Bodies are streamed in both directions. Nothing is sent twice unless --retry
allows it, and there is no time limit but --timeout.`,
		Example: `  echo OpenFaaS | faas-cli invoke figlet
  faas-cli invoke orders.prod/v1/items -m GET --query limit=10
  faas-cli invoke resize -d @photo.jpg --content-type image/jpeg > small.jpg
  faas-cli invoke report --async --callback https://example.com/done -d '{}'`,
		Args: exactArgs("the NAME of a function"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			o.function = args[0]
			o.ownType, o.ownData = cmd.Flags().Changed("content-type"), cmd.Flags().Changed("data")
			return runInvoke(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerNamespace(cmd)
	o.stack.register(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.method, "method", "m", http.MethodPost, "HTTP `method`, in any case")
	f.StringVar(&o.contentType, "content-type", "text/plain", "`type` of the body")
	listVar(f, &o.query, "query", "", "`KEY=VALUE` of the query string (repeatable)")
	listVar(f, &o.headers, "header", "H", "`header` as 'Name: value' (repeatable)")
	f.StringVarP(&o.data, "data", "d", "", "`body`: text, @FILE, or - for standard input")
	f.BoolVarP(&o.async, "async", "a", false, "put the call into the queue and return at once")
	f.StringVar(&o.callback, "callback", "", "`URL` that the result of an asynchronous call is sent to")
	f.StringVar(&o.sign, "sign", "", "name of the `header` for an HMAC of the body (with --key)")
	f.StringVar(&o.key, "key", "", "`key` of the HMAC (with --sign)")
	f.BoolVar(&o.auth, "auth", false, "get a token for the function first, for gateways with IAM")
	f.BoolVarP(&o.include, "include", "i", false, "print the answer's status and headers on standard error")
	f.DurationVar(&o.timeout, "timeout", 0, "longest `time` for the whole call; 0 is no limit")
	f.IntVar(&o.retry, "retry", 0, "repeat a call that failed in the network or with 429, 502, 503 or 504 up to `N` times")
	f.String("name", "", "ignored")
	_ = f.MarkHidden("name") // it exists
	return cmd
}

// invocation checks the options and returns what they ask for, without body,
// gateway and what the stack file says.
func (o invokeOptions) invocation(env *Env) (gateway.Invocation, error) {
	c, err := parseCallee(o.function)
	if err != nil {
		return gateway.Invocation{}, err
	}
	if c.namespace != "" && o.gateway.namespace != "" && c.namespace != o.gateway.namespace {
		return gateway.Invocation{}, usagef("%q and --namespace %s contradict each other", o.function, o.gateway.namespace)
	}
	method, err := parseMethod(o.method)
	if err != nil {
		return gateway.Invocation{}, err
	}
	if err := addQuery(c.query, o.query); err != nil {
		return gateway.Invocation{}, err
	}
	header, old, err := parseHeaders(o.headers)
	if err != nil {
		return gateway.Invocation{}, err
	}
	switch {
	case (o.sign == "") != (o.key == ""):
		return gateway.Invocation{}, usagef("signing needs both --sign HEADER and --key KEY")
	case o.sign != "" && !isToken(o.sign):
		return gateway.Invocation{}, usagef("--sign %q is not the name of a header", o.sign)
	case o.callback != "" && !o.async:
		return gateway.Invocation{}, usagef("--callback needs --async")
	case o.retry < 0:
		return gateway.Invocation{}, usagef("--retry %d: want 0 or more", o.retry)
	case o.timeout < 0:
		return gateway.Invocation{}, usagef("--timeout %s: want 0 or more", o.timeout)
	}
	if old {
		env.warnf("a header as NAME=VALUE is deprecated, use 'Name: value'")
	}
	if o.ownType || header.Get("Content-Type") == "" {
		header.Set("Content-Type", o.contentType)
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", fmt.Sprintf("%s (openfaas; %s; %s)", env.userAgent(), runtime.GOOS, runtime.GOARCH))
	}
	if o.callback != "" {
		if err := parseCallback(o.callback); err != nil {
			return gateway.Invocation{}, err
		}
		header.Set("X-Callback-Url", o.callback)
	}
	return gateway.Invocation{
		Name: c.name, Namespace: c.namespace, Path: c.path, Query: c.query, Method: method, Header: header, Async: o.async,
	}, nil
}

func runInvoke(ctx context.Context, env *Env, o invokeOptions) error {
	r, err := o.invocation(env)
	if err != nil {
		return err
	}
	file, err := env.peekStack(ctx, o.stack)
	if err != nil {
		return err
	}
	client, t, err := env.gatewayClient(o.gateway, gatewayOf(file))
	if err != nil {
		return err
	}
	r.Namespace = cmp.Or(r.Namespace, env.namespaceAt(o.gateway, t, stackNamespace(file, r.Name)))
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("%w: no complete answer within %s", gateway.ErrTimeout, o.timeout))
		defer cancel()
	}
	identity := env.identityToken(o.gateway, t)
	body, err := openPayload(ctx, env, o.data, o.ownData, o.sign != "" || o.retry > 0 || identity != "" && !o.auth)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	defer body.close()
	if o.sign != "" {
		signature, err := body.sign(o.key)
		if err != nil {
			return fmt.Errorf("sign the body: %w", err)
		}
		r.Header.Set(o.sign, signature)
	}
	if o.auth && identity == "" {
		env.warnf("--auth has no effect: no token is saved for %s", client.BaseURL())
	}
	c := &caller{client: client, body: body, identity: identity, upFront: o.auth && identity != "", retries: o.retry, env: env}
	start := env.Now()
	resp, err := c.call(ctx, r)
	if err == nil {
		c.warnLostBody(r, resp)
		err = printAnswer(ctx, env, o, r, resp)
	}
	if err != nil {
		env.showLocalLog(ctx, client, t, r, start)
	}
	return err
}

// caller sends one invocation, several times if that is allowed.
type caller struct {
	env      *Env
	client   *gateway.Client
	body     payload
	identity string // token to exchange for one of the function; empty: none
	upFront  bool   // exchange it before the first call
	token    string // what the exchange gave; empty: there was none yet
	retries  int
}

// call returns the answer, whatever its status.
func (c *caller) call(ctx context.Context, r gateway.Invocation) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		resp, err := c.once(ctx, r)
		if attempt == c.retries || ctx.Err() != nil || !worthRetry(resp, err) {
			return resp, err
		}
		if err == nil {
			err = gateway.InvocationError(r, resp) // closes it
		}
		delay := retryDelay(attempt, err)
		c.env.progressf("%v; trying again in %s", err, delay.Round(10*time.Millisecond))
		if err := sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

// once sends the call, and again with a new token if the gateway's IAM wants
// one: there was none, or that of an earlier attempt has run out. When that is
// only the gateway says; expires_in may be missing and our clock may be wrong.
func (c *caller) once(ctx context.Context, r gateway.Invocation) (*http.Response, error) {
	fresh := c.upFront && c.token == ""
	if fresh {
		if err := c.authenticate(ctx, r); err != nil {
			return nil, err
		}
	}
	resp, err := c.send(ctx, r)
	if err != nil || fresh || c.identity == "" || !wantsFunctionToken(resp) {
		return resp, err
	}
	_ = resp.Body.Close() // its status was the answer
	if err := c.authenticate(ctx, r); err != nil {
		return nil, err
	}
	return c.send(ctx, r)
}

func (c *caller) send(ctx context.Context, r gateway.Invocation) (*http.Response, error) {
	r.Token = c.token
	if c.body.size != 0 {
		body, err := c.body.open()
		if err != nil {
			return nil, err
		}
		r.Body, r.ContentLength = body, c.body.size
		if c.body.replayable {
			r.GetBody = func() (io.ReadCloser, error) {
				again, err := c.body.open()
				return io.NopCloser(again), err
			}
		}
	}
	return c.client.Invoke(ctx, r)
}

// warnLostBody tells of a redirect that turned the call into a GET. That is how
// some functions answer a form; from a gateway that wants HTTPS it means that
// the function got nothing.
func (c *caller) warnLostBody(r gateway.Invocation, resp *http.Response) {
	if u := resp.Request.URL; c.body.size != 0 && resp.Request.Method != r.Method {
		c.env.warnf("the call was redirected to %s://%s%s, as a %s without its body", u.Scheme, u.Host, u.EscapedPath(), resp.Request.Method)
	}
}

// defaultNamespace is where functions are when nobody says so. The gateway
// knows itself; a token has to name it.
const defaultNamespace = "openfaas-fn"

// authenticate gets a token for the function.
func (c *caller) authenticate(ctx context.Context, r gateway.Invocation) (err error) {
	c.token, err = c.client.FunctionToken(ctx, c.identity, r.Name, cmp.Or(r.Namespace, defaultNamespace))
	return err
}

// wantsFunctionToken says whether the gateway, rather than the function, has
// refused a call for want of a token.
func wantsFunctionToken(resp *http.Response) bool {
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, challenge := range resp.Header.Values("WWW-Authenticate") {
		_, directives, _ := strings.Cut(challenge, " ")
		for d := range strings.SplitSeq(directives, ",") {
			if strings.TrimSpace(d) == `realm="IAM function invoke"` {
				return true
			}
		}
	}
	return false
}

// worthRetry judges the answer to a call, or why there is none: the gateway may
// have failed to give a token for it.
func worthRetry(resp *http.Response, err error) bool {
	status := 0
	var e *gateway.Error
	switch {
	case err == nil:
		status = resp.StatusCode
	case errors.Is(err, gateway.ErrUnreachable) && !errors.Is(err, gateway.ErrUntrusted), errors.Is(err, gateway.ErrConnectionLost):
		return true
	case errors.As(err, &e):
		status = e.Status
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

const (
	firstInvokeRetry = 250 * time.Millisecond // doubled each time, half of it jitter
	maxInvokeRetry   = 30 * time.Second       // also of what the server asks for
)

func retryDelay(attempt int, failure error) time.Duration {
	delay := min(firstInvokeRetry<<min(attempt, 10), maxInvokeRetry)
	delay = delay/2 + rand.N(delay/2)
	var e *gateway.Error
	if errors.As(failure, &e) {
		delay = max(delay, min(e.RetryAfter, maxInvokeRetry))
	}
	return delay
}

// printAnswer copies the answer of a call that worked to standard output.
func printAnswer(ctx context.Context, env *Env, o invokeOptions, r gateway.Invocation, resp *http.Response) error {
	if o.include {
		printHead(env, resp)
	}
	if resp.StatusCode/100 != 2 {
		iam := wantsFunctionToken(resp)
		err := gateway.InvocationError(r, resp)
		if errors.Is(err, gateway.ErrUnauthorized) && !iam {
			return &functionError{err} // the function's own refusal, so our login is not the matter
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if o.async && resp.StatusCode == http.StatusAccepted {
		env.progressf("Function submitted asynchronously.")
		if id := resp.Header.Get("X-Call-Id"); id != "" {
			env.progressf("Call ID: %s", id)
		}
		return nil
	}
	return copyAnswer(ctx, env.Term.Out, r, resp)
}

// functionError is an answer of a function, of which nothing of ours is to be
// concluded.
type functionError struct{ err error }

func (e *functionError) Error() string { return e.err.Error() }

// copyBuffer is how much of an answer is moved at a time, in bytes.
const copyBuffer = 256 << 10

// copyAnswer writes what arrives as soon as it does.
func copyAnswer(ctx context.Context, w io.Writer, r gateway.Invocation, resp *http.Response) error {
	b := make([]byte, copyBuffer)
	for {
		n, err := resp.Body.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && ctx.Err() != nil:
			err = context.Cause(ctx)
			fallthrough
		case err != nil:
			return gateway.BrokenAnswer(r, resp, err)
		}
	}
}

// printHead prints status and headers as they look on the wire, by name.
func printHead(env *Env, resp *http.Response) {
	lines := []string{resp.Proto + " " + resp.Status}
	for name, values := range resp.Header {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines[1:])
	env.progressf("%s", strings.Join(lines, "\n")+"\n")
}

const (
	localLogLines = 10                     // shown of a function that failed
	localLogTime  = 2 * time.Second        // to fetch them in
	localLogQuiet = 300 * time.Millisecond // without another line, and there is none: they pass through a pipe, and come later than the answer
)

// showLocalLog prints what a function of the local platform wrote last, after
// a call of it has failed.
func (e *Env) showLocalLog(ctx context.Context, client *gateway.Client, t target, r gateway.Invocation, since time.Time) {
	if t.local == nil || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, localLogTime)
	defer cancel()
	if proven, _ := e.provenLocal(ctx, t); !proven {
		return // the call's own error is what matters
	}
	q := gateway.LogQuery{Name: r.Name, Namespace: r.Namespace, Tail: localLogLines, Since: since.Add(-time.Second), Follow: true}
	lines := lastLines(ctx, client, q)
	if len(lines) == 0 {
		return
	}
	e.progressf("Last lines of %q:", r.Name)
	for _, line := range lines {
		e.progressf("  %s", line)
	}
}

// lastLines are those of a log that has been quiet for localLogQuiet, or when
// ctx ends. The time until the gateway answers does not count.
func lastLines(ctx context.Context, client *gateway.Client, q gateway.LogQuery) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(math.MaxInt64, cancel)
	defer quiet.Stop()
	log, err := client.OpenLogs(ctx, q, gateway.LogReading{Idle: func() { quiet.Reset(localLogQuiet) }})
	if err != nil {
		return nil // the call's own error is what matters
	}
	defer log.Close() //nolint:errcheck // nothing is lost
	var lines []string
	for rec := (gateway.LogRecord{}); log.Next(&rec) == nil; {
		lines = append(lines[max(0, len(lines)+1-localLogLines):], strings.TrimRight(string(rec.Text), "\n"))
	}
	return lines
}
