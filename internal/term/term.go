// Package term knows about terminals: which streams are one, whether colour is
// wanted, how wide they are, and which text is safe to send them.
package term

import (
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/morikuni/aec"
	"golang.org/x/term"
)

// Terminal is the three standard streams of a process and what is known of
// them. Out is for results, Err for progress, warnings and errors.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InTTY, OutTTY, ErrTTY bool // the stream is a terminal

	Color bool // colours are wanted on those streams that are terminals
	Width int  // columns; 80 where unknown

	mu sync.Mutex // one writer of Err lines at a time
}

// defaultWidth is what terminals had before they could say.
const defaultWidth = 80

// System describes the streams of a process. NO_COLOR (https://no-color.org)
// and TERM=dumb turn colours off; COLUMNS overrides the width.
func System(in, out, err *os.File, lookup func(string) (string, bool)) *Terminal {
	t := &Terminal{
		In: in, Out: out, Err: err,
		InTTY:  term.IsTerminal(int(in.Fd())),
		OutTTY: term.IsTerminal(int(out.Fd())),
		ErrTTY: term.IsTerminal(int(err.Fd())),
		Width:  defaultWidth,
	}
	noColor, _ := lookup("NO_COLOR")
	kind, _ := lookup("TERM")
	t.Color = noColor == "" && kind != "dumb"
	for _, f := range []*os.File{err, out} {
		if width, _, sizeErr := term.GetSize(int(f.Fd())); sizeErr == nil && width > 0 {
			t.Width = width
			break
		}
	}
	if columns, ok := lookup("COLUMNS"); ok {
		if n, convErr := strconv.Atoi(columns); convErr == nil && n > 0 {
			t.Width = n
		}
	}
	return t
}

// Test returns a terminal over buffers: no stream is a terminal, no colour.
func Test(in io.Reader, out, err io.Writer) *Terminal {
	return &Terminal{In: in, Out: out, Err: err, Width: defaultWidth}
}

// ReadPassword reads a line from in without echo. It fails where in is not a
// terminal.
func ReadPassword(in *os.File) ([]byte, error) {
	return term.ReadPassword(int(in.Fd()))
}

// Restorer remembers how a terminal is set, for someone whose ReadPassword is
// not going to return.
func Restorer(in *os.File) (restore func(), err error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(in.Fd()), state) }, nil // it was one a moment ago
}

// ErrLine writes one line on Err, whole, even when several goroutines do.
// Control characters are taken out if Err is a terminal.
func (t *Terminal) ErrLine(line string) { t.errLine("", line) }

// ErrLabel is ErrLine with a label before the line, in style: "error:".
func (t *Terminal) ErrLabel(style Style, label, line string) {
	t.errLine(t.Paint(t.Err, style, label)+" ", line)
}

func (t *Terminal) errLine(label, line string) {
	if t.ErrTTY {
		line = Sanitize(line)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.Err, label+line+"\n") // nowhere is left to report it to
}

// Style is a way to set text off from the rest.
type Style int

// The styles in use.
const (
	Bold Style = iota + 1
	Red
	Green
	Yellow
	Blue
	Cyan
	Magenta
	Faint
)

// Paint returns s in style where w is a terminal that wants colours, and s
// itself elsewhere.
func (t *Terminal) Paint(w io.Writer, style Style, s string) string {
	if !t.Color || (w == t.Out && !t.OutTTY) || (w == t.Err && !t.ErrTTY) {
		return s
	}
	var code aec.ANSI
	switch style {
	case Bold:
		code = aec.Bold
	case Red:
		code = aec.RedF
	case Green:
		code = aec.GreenF
	case Yellow:
		code = aec.YellowF
	case Blue:
		code = aec.BlueF
	case Cyan:
		code = aec.CyanF
	case Magenta:
		code = aec.MagentaF
	case Faint:
		code = aec.Faint
	default:
		return s
	}
	return code.Apply(s)
}

// Sanitize replaces what could steer a terminal (C0 and C1 controls but tab
// and newline, and Unicode's bidirectional overrides) by U+FFFD, so that text
// of a server cannot move the cursor, set the title or hide other text.
func Sanitize(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return r
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
