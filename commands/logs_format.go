package commands

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/term"
)

// logFormat is how a line of a log is printed.
type logFormat string

const (
	logPlain    logFormat = "plain"
	logKeyValue logFormat = "keyvalue"
	logJSON     logFormat = "json"
)

// logBuffer is how much output is collected before it is written, in bytes.
const logBuffer = 64 << 10

// logPrinter prints the messages of one log. What it collects is written by
// flush, whole lines, so that printers of several logs can share an output.
type logPrinter struct {
	format         logFormat
	layout         string // of the time; empty: none
	name, instance bool   // print these
	sanitize       bool   // the output is a terminal
	prefix         string // goes before each line of the plain format

	out   io.Writer // safe for concurrent use if others share it
	lines []byte    // not written yet
	err   error     // of the first write that failed

	last  time.Time // whose form is stamp
	stamp []byte
}

func newLogPrinter(out io.Writer, sanitize bool, prefix string, o logsOptions) *logPrinter {
	return &logPrinter{
		format: o.format, layout: string(o.timeLayout), name: o.nameColumn, instance: o.instance,
		sanitize: sanitize, prefix: prefix, out: out,
	}
}

// print prints one message.
func (p *logPrinter) print(rec *gateway.LogRecord) error {
	switch p.format {
	case logJSON:
		start := len(p.lines)
		lines, err := rec.AppendJSON(p.lines)
		if err != nil {
			return err
		}
		if p.lines = lines; p.sanitize {
			p.lines = append(lines[:start], output.EscapeControls(lines[start:])...)
		}
	case logKeyValue:
		p.lines = p.keyValue(p.lines, rec)
	default:
		p.lines = p.plain(append(p.lines, p.prefix...), rec)
	}
	if p.lines = append(p.lines, '\n'); len(p.lines) < logBuffer {
		return p.err
	}
	return p.flush()
}

// flush writes what was collected.
func (p *logPrinter) flush() error {
	if p.err == nil && len(p.lines) > 0 {
		_, p.err = p.out.Write(p.lines)
	}
	p.lines = p.lines[:0]
	return p.err
}

func (p *logPrinter) plain(b []byte, rec *gateway.LogRecord) []byte {
	if p.layout != "" {
		b = append(p.time(b, rec.Timestamp), ' ')
	}
	if p.name {
		b = append(p.text(b, rec.Name), ' ')
	}
	if p.instance {
		b = append(p.text(append(b, '('), rec.Instance), ") "...)
	}
	return p.message(b, rec)
}

// keyValue ends in a blank, as it always has; scripts split at `" `.
func (p *logPrinter) keyValue(b []byte, rec *gateway.LogRecord) []byte {
	if p.layout != "" {
		b = append(p.time(append(b, `timestamp="`...), rec.Timestamp), `" `...)
	}
	if p.name {
		b = append(p.text(append(b, `name="`...), rec.Name), `" `...)
	}
	if p.instance {
		b = append(p.text(append(b, `instance="`...), rec.Instance), `" `...)
	}
	return append(p.message(append(b, `text="`...), rec), `" `...)
}

// time appends a time. The usual layout shows no parts of a second, of which
// many messages are.
func (p *logPrinter) time(b []byte, at time.Time) []byte {
	if p.layout != time.RFC3339 {
		return at.AppendFormat(b, p.layout)
	}
	if len(p.stamp) == 0 || at.Unix() != p.last.Unix() || at.Location() != p.last.Location() {
		p.last, p.stamp = at, at.AppendFormat(p.stamp[:0], p.layout)
	}
	return append(b, p.stamp...)
}

// message appends the text of a message without its last newlines.
func (p *logPrinter) message(b []byte, rec *gateway.LogRecord) []byte {
	return p.text(b, bytes.TrimRight(rec.Text, "\n"))
}

// text appends text of a function, which must not steer a terminal.
func (p *logPrinter) text(b, text []byte) []byte {
	if p.sanitize {
		return append(b, term.Sanitize(string(text))...)
	}
	return append(b, text...)
}

// logPrefixes gives each function a prefix of the same width, coloured in turn.
func logPrefixes(t *term.Terminal, names []string) []string {
	width := 0
	for _, n := range names {
		width = max(width, len(n))
	}
	colors := []term.Style{term.Cyan, term.Yellow, term.Green, term.Magenta, term.Blue}
	prefixes := make([]string, len(names))
	for i, n := range names {
		prefixes[i] = t.Paint(t.Out, colors[i%len(colors)], fmt.Sprintf("%-*s |", width, n)) + " "
	}
	return prefixes
}
