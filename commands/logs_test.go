package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/schema"
)

// fakeLog is a log over several connections, each a text and how it ends.
type fakeLog struct {
	connections []fakeConnection
	queries     []gateway.LogQuery
}

type fakeConnection struct {
	text string
	end  error // io.EOF, or what reading fails with
	open error // why there is no connection at all
}

func (l *fakeLog) open(_ context.Context, q gateway.LogQuery) (logStream, error) {
	l.queries = append(l.queries, q)
	if len(l.connections) == 0 {
		return nil, gateway.ErrUnreachable
	}
	c := l.connections[0]
	l.connections = l.connections[1:]
	if c.open != nil {
		return nil, c.open
	}
	r := io.MultiReader(strings.NewReader(c.text), failingReader{c.end})
	return gateway.NewLogStream(io.NopCloser(r), gateway.LogReading{}), nil
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// logText returns messages at times given as minute:second.fraction.
func logText(t *testing.T, lines ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, line := range lines {
		at, text, _ := strings.Cut(line, " ")
		when, err := time.Parse("2006-01-02 15:04:05", "2026-01-02 03:"+at)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&b).Encode(schema.LogMessage{Name: "fn", Timestamp: when, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestLogsAreTakenUpWhereTheyWereLost(t *testing.T) {
	t.Parallel()
	lost := errors.New("reset by peer")
	refused := fakeConnection{open: gateway.ErrUnreachable}
	long := strings.Repeat("x", maxResumeLines*2/3) // two of them are too long to be kept
	for _, tt := range []struct {
		name        string
		connections []fakeConnection
		noReconnect bool
		want        []string
		is          error // of the result; nil: done
		queries     int
		since       []string // minute:second that each further connection asks for
	}{
		{
			name:        "clean end",
			connections: []fakeConnection{{text: logText(t, "04:05 a"), end: io.EOF}},
			want:        []string{"a"}, queries: 1,
		},
		{
			name: "lost between lines of one second",
			connections: []fakeConnection{
				{text: logText(t, "04:04 a", "04:05.1 b", "04:05.2 c", "04:05.2 c"), end: lost},
				{text: logText(t, "04:05.1 b", "04:05.2 c", "04:05.2 c", "04:05.2 c", "04:05.9 d", "04:06 e"), end: io.EOF},
			},
			want: []string{"a", "b", "c", "c", "c", "d", "e"}, queries: 2, since: []string{"04:05"},
		},
		{
			name: "lost in a second of long lines",
			connections: []fakeConnection{
				{text: logText(t, "04:05 a"+long, "04:05 b"+long, "04:05 c"), end: lost},
				{text: logText(t, "04:05 a"+long, "04:05 b"+long, "04:05 c", "04:05 d"+long), end: lost},
				{text: logText(t, "04:05 a"+long, "04:05 b"+long, "04:05 c", "04:05 d"+long, "04:05 a"+long), end: io.EOF},
			},
			want: []string{"a" + long, "b" + long, "c", "d" + long, "a" + long}, queries: 3, since: []string{"04:05", "04:05"},
		},
		{
			name: "lost inside a line, which comes again",
			connections: []fakeConnection{
				{text: logText(t, "04:05 a") + `{"name":"fn","te`, end: lost},
				{text: logText(t, "04:05 a", "04:05 b"), end: lost},
				{text: logText(t, "04:05 a", "04:05 b", "04:07 c"), end: io.EOF},
			},
			want: []string{"a", "b", "c"}, queries: 3, since: []string{"04:05", "04:05"},
		},
		{
			name: "five failures in a row are borne",
			connections: []fakeConnection{
				{text: logText(t, "04:05 a"), end: lost}, refused, refused, refused, refused, {text: logText(t, "04:06 b"), end: io.EOF},
			},
			want: []string{"a", "b"}, queries: 6, since: []string{"04:05", "04:05", "04:05", "04:05", "04:05"},
		},
		{
			name:        "a sixth is not",
			connections: []fakeConnection{{text: logText(t, "04:05 a"), end: lost}},
			want:        []string{"a"}, is: gateway.ErrUnreachable, queries: 6,
		},
		{
			name: "a new line starts the count again",
			connections: []fakeConnection{
				{text: logText(t, "04:05 a"), end: lost}, refused, refused, refused, refused, {text: logText(t, "04:06 b"), end: lost},
				refused, refused, refused, refused, {text: logText(t, "04:07 c"), end: io.EOF},
			},
			want: []string{"a", "b", "c"}, queries: 11,
		},
		{
			name:        "never with --no-reconnect",
			connections: []fakeConnection{{text: logText(t, "04:05 a"), end: lost}, {text: logText(t, "04:06 b"), end: io.EOF}},
			noReconnect: true,
			want:        []string{"a"}, is: gateway.ErrConnectionLost, queries: 1,
		},
		{
			name:        "an end inside a message is no lost connection",
			connections: []fakeConnection{{text: logText(t, "04:05 a") + `{"name":"fn","te`, end: io.EOF}, {text: logText(t, "04:06 b"), end: io.EOF}},
			want:        []string{"a"}, is: gateway.ErrLogTruncated, queries: 1,
		},
		{
			name:        "a gateway that cannot be reached at first is an error at once",
			connections: []fakeConnection{refused, {text: logText(t, "04:06 b"), end: io.EOF}},
			is:          gateway.ErrUnreachable, queries: 1,
		},
		{
			name:        "an answer ends it",
			connections: []fakeConnection{{text: logText(t, "04:05 a"), end: lost}, {open: &gateway.Error{Status: 404}}, {text: logText(t, "04:06 b"), end: io.EOF}},
			want:        []string{"a"}, is: gateway.ErrNotFound, queries: 2,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &fakeLog{connections: tt.connections}
				var got []string
				r := &logReader{open: log.open, noReconnect: tt.noReconnect, print: func(rec *gateway.LogRecord) error {
					got = append(got, string(rec.Text))
					return nil
				}}
				err := r.run(t.Context(), gateway.LogQuery{Name: "fn", Tail: 50, Follow: true})
				if !errors.Is(err, tt.is) || !slices.Equal(got, tt.want) || len(log.queries) != tt.queries {
					t.Errorf("printed %.1000q over %d connections, error %v; want %q over %d, %v", got, len(log.queries), err, tt.want, tt.queries, tt.is)
				}
				for i, since := range tt.since {
					if q := log.queries[i+1]; q.Since.Format("04:05") != since || q.Tail != -1 || !q.Follow {
						t.Errorf("connection %d asks for %+v; want all since %s", i+1, q, since)
					}
				}
			})
		})
	}
}

// TestLogsAppearAsTheyCome checks that what was collected is written when the
// log falls silent, over a real connection.
func TestLogsAppearAsTheyCome(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.New(t, gatewaytest.Options{})
	env, _, _ := faultEnv(t, gw.URL)
	r, w := io.Pipe()
	env.Term.Out = w
	ctx, cancel := context.WithCancelCause(t.Context())
	code := make(chan int, 1)
	go func() { code <- Main(ctx, env, []string{"logs", "fn", "-f"}) }()
	for i := range 3 {
		text := fmt.Sprintf("line %d", i)
		gw.AddLogs(schema.LogMessage{Name: "fn", Text: text + "\n"})
		b := make([]byte, 1000)
		n, err := r.Read(b) // a log that is not flushed would block here for ever
		if got := string(b[:n]); err != nil || !strings.HasSuffix(got, " "+text+"\n") {
			t.Fatalf("printed %q, %v", got, err)
		}
	}
	cancel(Signalled(interruptSignal()))
	if c := <-code; c != 130 {
		t.Errorf("exit code %d after Ctrl-C; want 130", c)
	}
}

func TestLogsOnATerminalDoNotSteerIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, format := range []logFormat{logPlain, logKeyValue, logJSON} {
		for _, tty := range []bool{false, true} {
			out.Reset()
			p := newLogPrinter(&out, tty, "", logsOptions{format: format})
			var rec gateway.LogRecord
			line := `{"name":"","namespace":"","instance":"","timestamp":"2026-01-02T03:04:05Z","text":"a\u001b[2Jb` + "\u009b" + `2J\r\n"}` + "\n"
			log := gateway.NewLogStream(io.NopCloser(strings.NewReader(line)), gateway.LogReading{JSON: format == logJSON})
			if err := errors.Join(log.Next(&rec), p.print(&rec), p.flush(), log.Close()); err != nil {
				t.Fatal(err)
			}
			if steered := strings.ContainsAny(out.String(), "\x1b\u009b"); steered == tty {
				t.Errorf("%s on a terminal: %v, printed %q", format, tty, out.String())
			}
		}
	}
}

func TestFollowFlag(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"logs fn -f":               "logs fn --follow",
		"logs fn -f --lines 5":     "logs fn --follow --lines 5",
		"logs -f stack.yml fn":     "logs -f stack.yml fn",
		"-f stack.yml logs fn -f":  "-f stack.yml logs fn --follow",
		"--filter x logs -f -t":    "--filter x logs --follow -t",
		"logs fn -- -f":            "logs fn -- -f",
		"invoke fn -f":             "invoke fn -f",
		"invoke logs -f":           "invoke logs -f",
		"logs -f -":                "logs -f -",
		"--unknown logs fn -f":     "--unknown logs fn -f",
		"logs fn -fstack.yml -o f": "logs fn -fstack.yml -o f",
	} {
		if got := followFlag(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q becomes %q; want %q", line, got, want)
		}
	}
}

func TestLogsSinceIsRelativeToNow(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.New(t, gatewaytest.Options{})
	env, _, stderr := faultEnv(t, gw.URL)
	env.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC) }
	if code := Main(t.Context(), env, []string{"logs", "fn", "--tail=false", "--since", "1h4m"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	want := map[string][]string{"follow": {"false"}, "name": {"fn"}, "since": {"2026-01-02T02:00:05Z"}, "tail": {"-1"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/?"+gw.Requests()[0].Query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := map[string][]string(req.URL.Query()); !reflect.DeepEqual(got, want) {
		t.Errorf("asked for %v; want %v", got, want)
	}
}

func BenchmarkLogs(b *testing.B) {
	messages := make([]schema.LogMessage, 100_000)
	for i := range messages {
		messages[i] = schema.LogMessage{
			Name: "fn", Namespace: "openfaas-fn", Instance: "fn-7c9d8-1", Timestamp: time.Unix(1e9, int64(i)*1731e3).UTC(),
			Text: `GET /orders/17 200 took 12 ms "quoted value" user=alice <b>bold</b> größe=42 cache miss path=/tmp/x` + "\n",
		}
	}
	gw := gatewaytest.New(b, gatewaytest.Options{})
	gw.AddLogs(messages...)
	for _, format := range []string{"plain", "json"} {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				env := &Env{
					Term: term.Test(strings.NewReader(""), io.Discard, io.Discard), Dir: b.TempDir(), Now: time.Now, Transport: &http.Transport{},
					Lookup: func(string) (string, bool) { return "", false },
				}
				if code := Main(b.Context(), env, []string{"logs", "fn", "--tail=false", "-o", format, "-g", gw.URL}); code != 0 {
					b.Fatal(code)
				}
			}
		})
	}
}
