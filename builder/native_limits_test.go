package builder

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Handlers that show the limits of an entry point: /sleep takes long, /stream
// sends one piece and waits for /release before the other, /big sends without
// end and /cut says whether that has ended, everything else takes the body.
const (
	limitsGo = `package function

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

var (
	released = make(chan bool, 1)
	cut      atomic.Bool
)

func Handle(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/sleep":
		time.Sleep(time.Minute)
	case "/stream":
		io.WriteString(w, "one ")
		w.(http.Flusher).Flush()
		<-released
		io.WriteString(w, "two")
	case "/release":
		released <- true
	case "/big":
		for piece := make([]byte, 1<<16); ; {
			if _, err := w.Write(piece); err != nil {
				cut.Store(true)
				return
			}
		}
	case "/cut":
		if cut.Load() {
			io.WriteString(w, "cut")
		}
	default:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
		w.Write(body)
	}
}
`
	limitsPython = `import threading
import time

released = threading.Event()
cut = threading.Event()


def pieces():
    yield "one "
    released.wait()
    yield "two"


def endless():
    try:
        while True:
            yield b"x" * (1 << 16)
    finally:
        cut.set()


def handle(event, context):
    if event.path == "/sleep":
        time.sleep(60)
    elif event.path == "/stream":
        return {"body": pieces()}
    elif event.path == "/release":
        released.set()
    elif event.path == "/big":
        return {"body": endless()}
    elif event.path == "/cut":
        return "cut" if cut.is_set() else ""
    return event.body.decode()
`
)

// TestNativeEntryPointsKeepTheirLimits: what the variables of a function say
// about time and load holds, in each language.
func TestNativeEntryPointsKeepTheirLimits(t *testing.T) {
	t.Parallel()
	for tool, c := range map[string]struct{ lang, file, handler string }{
		"go":      {"golang-middleware", "fn/handler.go", limitsGo},
		"python3": {"python3-http", "fn/handler.py", limitsPython},
	} {
		t.Run(c.lang, func(t *testing.T) {
			t.Parallel()
			needTool(t, tool)
			n := newNative(t)
			p := newProject(t, map[string]string{c.file: c.handler})
			n.mustBuild(t, Request{Context: p.embedded(t, c.lang), Image: "me/fn:1", Outputs: []Output{{Kind: OutputLocal}}})
			start := func(t *testing.T, env ...string) string {
				t.Helper()
				t.Parallel()
				return "http://" + serve(t, n.image(t, "me/fn:1"), env...)
			}
			t.Run("exec_timeout", func(t *testing.T) { limitExecution(t, start(t, "exec_timeout="+limit.String())) })
			t.Run("max_inflight", func(t *testing.T) { limitInflight(t, start(t, "max_inflight=1")) })
			t.Run("read_timeout", func(t *testing.T) { limitReading(t, start(t, "read_timeout="+limit.String())) })
			t.Run("write_timeout", func(t *testing.T) { limitWriting(t, start(t, "write_timeout="+limit.String())) })
			t.Run("streams", func(t *testing.T) { streamPieces(t, start(t)) })
		})
	}
}

// limit is what the times of a function are limited to: short, as each test
// waits for its end.
const limit = 300 * time.Millisecond

// postWithin posts, and again when the machine was so busy that the call met
// the limit.
func postWithin(t *testing.T, url, body string) (code int, answer string, err error) {
	t.Helper()
	until(t, "a call that takes less than "+limit.String(), func() bool {
		began := time.Now()
		code, answer, err = tryPost(url, body)
		return err == nil && code != http.StatusGatewayTimeout || time.Since(began) < limit
	})
	return code, answer, err
}

// limitExecution: a call that takes too long is given up, others are not.
func limitExecution(t *testing.T, url string) {
	if code, _ := post(t, url+"/sleep", ""); code != http.StatusGatewayTimeout {
		t.Errorf("a call that takes too long: %d", code)
	}
	if code, body, err := postWithin(t, url, "in time"); err != nil || code != http.StatusOK || body != "in time" {
		t.Errorf("a call in time: %d %q, %v", code, body, err)
	}
}

// limitInflight: one call at a time, and the checks of a platform count as none.
func limitInflight(t *testing.T, url string) {
	call := openCall(t, url)
	until(t, "not ready while it is busy", func() bool { return status(t, url+"/_/ready") == http.StatusTooManyRequests })
	if code, _ := post(t, url, ""); code != http.StatusTooManyRequests {
		t.Errorf("a second call: %d", code)
	}
	if code := status(t, url+"/_/health"); code != http.StatusOK {
		t.Errorf("health while it is busy: %d", code)
	}
	_ = call.body.Close()
	if a := <-call.answer; a.err != nil || a.code != http.StatusOK {
		t.Errorf("the first call: %d, %v", a.code, a.err)
	}
	until(t, "ready again", func() bool { return status(t, url+"/_/ready") == http.StatusOK })
	if code, _ := post(t, url, ""); code != http.StatusOK {
		t.Errorf("a call after it: %d", code)
	}
}

// limitReading: a body that does not come is not waited for.
func limitReading(t *testing.T, url string) {
	conn := dialFor(t, url, "POST / HTTP/1.1\r\nHost: fn\r\nContent-Length: 9\r\n\r\npart")
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("answer %q, %v; want the end of the connection", answer, err)
	}
}

// dialFor opens a connection and sends the text of a request.
func dialFor(t *testing.T, url, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// limitWriting: who does not read what it asked for holds up nothing for ever.
func limitWriting(t *testing.T, url string) {
	dialFor(t, url, "GET /big HTTP/1.1\r\nHost: fn\r\n\r\n")
	until(t, "the end of what nobody reads", func() bool {
		_, body, err := postWithin(t, url+"/cut", "")
		if err != nil {
			t.Fatal(err)
		}
		return body == "cut"
	})
}

// streamPieces: a piece arrives before the next is made.
func streamPieces(t *testing.T, url string) {
	res, err := http.Get(url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, len("one "))
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "one " {
		t.Fatalf("first piece %q, %v", first, err)
	}
	post(t, url+"/release", "")
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "two" {
		t.Errorf("the rest %q, %v", rest, err)
	}
}

// A call whose body has not ended.
type call struct {
	body   *io.PipeWriter
	answer chan callAnswer
}

type callAnswer struct {
	code int
	err  error
}

// openCall begins a call and sends a part of its body.
func openCall(t *testing.T, url string) call {
	t.Helper()
	r, w := io.Pipe()
	c := call{body: w, answer: make(chan callAnswer, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(func() {
		cancel()
		_ = w.Close()
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, r)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			c.answer <- callAnswer{err: err}
			return
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		c.answer <- callAnswer{res.StatusCode, err}
	}()
	go func() { _, _ = io.WriteString(w, "part ") }()
	return c
}

func status(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// until waits for something that comes in its own time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}
