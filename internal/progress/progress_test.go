package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/term"
)

// play shows a build that succeeds and one that fails, and returns what was
// written.
func play(t *testing.T, mode Mode, tty bool) string {
	t.Helper()
	var b bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		tm := term.Test(strings.NewReader(""), &b, &b)
		tm.ErrTTY, tm.Width = tty, 40
		d := New(tm, mode, time.Now)
		for _, fn := range []string{"a", "b"} {
			d.On(builder.Event{Function: fn, Kind: builder.EventStart})
		}
		d.On(builder.Event{Function: "a", Kind: builder.EventStep, Text: "compiling something with a long name"})
		d.On(builder.Event{Function: "b", Kind: builder.EventLog, Text: "\x1b[31mundefined: x\x1b[0m\x1b]0;title\a"})
		d.On(builder.Event{Function: "a", Kind: builder.EventProgress, Done: 500, Total: 2_000_000})
		d.On(builder.Event{Function: "a", Kind: builder.EventWarning, Text: "careful"})
		time.Sleep(1500 * time.Millisecond)
		d.On(builder.Event{Function: "a", Kind: builder.EventDone, Text: "built", Result: builder.Result{Size: 5_100_000}})
		d.On(builder.Event{Function: "b", Kind: builder.EventFailed, Text: "failed", Err: errors.New("compile error")})
		d.Print(&b, "a result\n")
		d.Close()
	})
	return b.String()
}

func TestDisplayPlainPrefixesLines(t *testing.T) {
	t.Parallel()
	got := play(t, Auto, false)
	want := `[a] compiling something with a long name
[b] ` + "\x1b[31mundefined: x\x1b[0m\x1b]0;title\a" + `
[a] warning: careful
[a] built, 5.1 MB in 1.5s
[b] failed in 1.5s
a result
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDisplayQuietShowsWarningsAndTheLogOfWhatFailed(t *testing.T) {
	t.Parallel()
	got := play(t, Quiet, false)
	if !strings.HasPrefix(got, "[a] warning: careful\n[b] ") || strings.Contains(got, "compiling") || !strings.Contains(got, "undefined: x") {
		t.Errorf("got:\n%s", got)
	}
}

func TestDisplayJSONIsOneObjectALine(t *testing.T) {
	t.Parallel()
	var kinds []string
	for line := range strings.Lines(play(t, JSON, false)) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			if line == "a result\n" {
				continue
			}
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, string(e.Kind))
		if e.Kind == builder.EventFailed && (e.Error != "compile error" || e.Seconds != 1.5) {
			t.Errorf("failed event %+v", e)
		}
	}
	if got := strings.Join(kinds, " "); got != "start start step log progress warning done failed" {
		t.Errorf("events: %s", got)
	}
}

// TestDisplayJSONDoesNotSteerATerminal ensures that the log of a build is shown
// with its control characters escaped, also those that JSON lets stand.
func TestDisplayJSONDoesNotSteerATerminal(t *testing.T) {
	t.Parallel()
	const text = "a\x1b[2Jb\u009b2Jc\u202ed\x7f"
	var b bytes.Buffer
	d := New(term.Test(strings.NewReader(""), &b, &b), JSON, time.Now)
	d.On(builder.Event{Function: "fn", Kind: builder.EventLog, Text: text})
	d.Close()
	var e event
	if err := json.Unmarshal(b.Bytes(), &e); err != nil || e.Text != text {
		t.Errorf("%q means %q, %v; want %q", &b, e.Text, err, text)
	}
	if strings.ContainsAny(b.String(), "\x1b\u009b\u202e\x7f") {
		t.Errorf("control characters reached the terminal: %q", &b)
	}
}

func TestDisplayLiveLeavesAFinalPicture(t *testing.T) {
	t.Parallel()
	got := play(t, Auto, true)
	want := "✓ a    1.5s  built, 5.1 MB\n✗ b    1.5s  failed\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got:\n%q\nwant it to end:\n%q", got, want)
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 40 && !strings.Contains(line, "\x1b[") {
			t.Errorf("line of %d columns: %q", n, line)
		}
	}
	if strings.Contains(got, "\x1b]0;") || strings.Contains(got, "\x1b[31m") {
		t.Errorf("a tool's escape sequences reached the terminal:\n%q", got)
	}
	if !strings.Contains(got, "[b] undefined: x") || !strings.Contains(got, "500 B/2.0 MB") {
		t.Errorf("log or progress is missing:\n%q", got)
	}
}

func TestDurationAndBytes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		123 * time.Millisecond: "0.12s", 3400 * time.Millisecond: "3.4s", 125 * time.Second: "2m05s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q; want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{999: "999 B", 5_100_000: "5.1 MB", 1_234_567_890_000: "1.2 TB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q; want %q", n, got, want)
		}
	}
}
