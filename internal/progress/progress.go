// Package progress shows the events of builds, pushes and deployments as they
// happen: prefixed lines, a live view of a terminal, JSON, or next to nothing.
package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
)

// Mode is how progress is shown. The zero value is Auto.
type Mode string

const (
	Auto  Mode = "auto"  // Live on a terminal, Plain elsewhere
	Plain Mode = "plain" // one line for each event, prefixed with the function
	JSON  Mode = "json"  // one object a line
	Quiet Mode = "quiet" // warnings, and the log of what failed
	live  Mode = "live"
)

// A Display shows events on the error stream of a terminal. It is safe for
// concurrent use.
type Display struct {
	t    *term.Terminal
	mode Mode
	now  func() time.Time

	mu        sync.Mutex
	functions []*state // in the order of their first event
	drawn     int      // lines of the live view on the screen
	stop      chan struct{}
	stopped   sync.WaitGroup
}

// state is what is known of a function.
type state struct {
	name    string
	started time.Time
	step    string
	done    int64
	total   int64
	ended   bool
	failed  bool
	took    time.Duration
	log     []string
	dropped int // lines of the log that were not kept
}

// maxLog is how many lines of a function's log are kept for the case that it
// fails.
const maxLog = 20_000

// New returns a display that is ready to use and must be closed. The clock is
// the one that durations are measured with.
func New(t *term.Terminal, mode Mode, now func() time.Time) *Display {
	d := &Display{t: t, mode: mode, now: now}
	if mode == Auto || mode == "" {
		d.mode = Plain
		if t.ErrTTY {
			d.mode = live
		}
	}
	if d.mode == live {
		d.stop = make(chan struct{})
		d.stopped.Go(d.animate)
	}
	return d
}

// Close ends the live view; its last picture stays on the screen.
func (d *Display) Close() {
	if d.stop == nil {
		return
	}
	close(d.stop)
	d.stopped.Wait()
	d.stop = nil
}

// On shows an event.
func (d *Display) On(e builder.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.note(e)
	switch d.mode {
	case JSON:
		d.writeJSON(e, s)
	case Plain:
		d.writePlain(e, s)
	default: // live and quiet show what must not be missed
		switch e.Kind {
		case builder.EventWarning:
			d.above(func(w io.Writer) { d.warn(w, e.Function, e.Text) })
		case builder.EventFailed:
			d.above(func(w io.Writer) { d.writeLog(w, s) })
		}
	}
}

// Step shows what is done with a function from now on.
func (d *Display) Step(function, text string) {
	d.On(builder.Event{Function: function, Kind: builder.EventStep, Text: text})
}

// Print writes to one of the terminal's streams without disturbing the live
// view, which moves down.
func (d *Display) Print(w io.Writer, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.above(func(io.Writer) { _, _ = io.WriteString(w, text) })
}

// note updates the state of the event's function.
func (d *Display) note(e builder.Event) *state {
	var s *state
	for _, f := range d.functions {
		if f.name == e.Function {
			s = f
		}
	}
	if s == nil {
		s = &state{name: e.Function, started: d.now()}
		d.functions = append(d.functions, s)
	}
	switch e.Kind {
	case builder.EventStart:
		*s = state{name: s.name, started: d.now(), step: "starting"}
	case builder.EventStep:
		s.step, s.done, s.total = e.Text, 0, 0
		s.keep("# " + e.Text)
	case builder.EventLog:
		s.keep(e.Text)
	case builder.EventProgress:
		s.done, s.total = e.Done, e.Total
	case builder.EventDone, builder.EventFailed:
		s.ended, s.failed, s.took = true, e.Kind == builder.EventFailed, d.now().Sub(s.started)
		s.step = e.Text
		if e.Result.Size > 0 {
			s.step += ", " + Bytes(e.Result.Size)
		}
	}
	return s
}

func (s *state) keep(line string) {
	if len(s.log) == maxLog {
		s.log = s.log[1:]
		s.dropped++
	}
	s.log = append(s.log, line)
}

func (d *Display) writePlain(e builder.Event, s *state) {
	switch e.Kind {
	case builder.EventStep, builder.EventLog:
		d.line(d.t.Err, s.name, e.Text)
	case builder.EventWarning:
		d.warn(d.t.Err, s.name, e.Text)
	case builder.EventDone, builder.EventFailed:
		d.line(d.t.Err, s.name, fmt.Sprintf("%s in %s", s.step, Duration(s.took)))
	case builder.EventStart, builder.EventProgress: // not worth a line
	}
}

// line writes one line with the function's name before it.
func (d *Display) line(w io.Writer, function, text string) {
	d.prefixed(w, function, "", text)
}

func (d *Display) warn(w io.Writer, function, text string) {
	d.prefixed(w, function, d.t.Paint(d.t.Err, term.Yellow, "warning:")+" ", text)
}

func (d *Display) prefixed(w io.Writer, function, prefix, text string) {
	if function != "" {
		prefix = d.t.Paint(d.t.Err, term.Cyan, "["+function+"]") + " " + prefix
	}
	if d.t.ErrTTY {
		text = term.Sanitize(stripColours(text))
	}
	_, _ = io.WriteString(w, prefix+text+"\n") // nowhere is left to report it to
}

// stripColours takes out the escape sequences with which tools colour their
// output and move the cursor.
func stripColours(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = strings.TrimLeft(s[i+2:], "0123456789;?")
		if s != "" {
			s = s[1:] // the letter that says what the sequence does
		}
	}
}

func (d *Display) writeLog(w io.Writer, s *state) {
	if s.dropped > 0 {
		d.line(w, s.name, fmt.Sprintf("(%d lines left out)", s.dropped))
	}
	for _, l := range s.log {
		d.line(w, s.name, l)
	}
}

// event is the form of an event in JSON mode.
type event struct {
	Function string            `json:"function"`
	Kind     builder.EventKind `json:"kind"`
	Text     string            `json:"text,omitempty"`
	Done     int64             `json:"done,omitempty"`  // bytes
	Total    int64             `json:"total,omitempty"` // bytes
	Digest   string            `json:"digest,omitempty"`
	Size     int64             `json:"size,omitempty"` // bytes
	Skipped  bool              `json:"skipped,omitempty"`
	Seconds  float64           `json:"seconds,omitempty"` // since the start, when it ends
	Error    string            `json:"error,omitempty"`
}

func (d *Display) writeJSON(e builder.Event, s *state) {
	out := event{
		Function: e.Function, Kind: e.Kind, Text: e.Text, Done: e.Done, Total: e.Total,
		Digest: string(e.Result.Digest), Size: e.Result.Size, Skipped: e.Result.Skipped,
	}
	if s.ended {
		out.Seconds = s.took.Round(time.Millisecond).Seconds()
	}
	if e.Err != nil {
		out.Error = e.Err.Error()
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(out)                                       // has nothing that JSON has no form for
	_, _ = d.t.Err.Write(output.EscapeControls(line.Bytes())) // nowhere is left to report it to
}

// Terminal returns a terminal for code that writes lines of its own about one
// function: what it writes on Err becomes log events of the function, what it
// writes on Out goes above the live view.
func (d *Display) Terminal(function string) *term.Terminal {
	return &term.Terminal{
		In: d.t.In, Width: d.t.Width,
		Out: writerFunc(func(p []byte) { d.Print(d.t.Out, string(p)) }),
		Err: writerFunc(func(p []byte) {
			for line := range strings.Lines(string(p)) {
				d.On(builder.Event{Function: function, Kind: builder.EventLog, Text: strings.TrimRight(line, "\r\n")})
			}
		}),
	}
}

// writerFunc is a writer that cannot fail.
type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
