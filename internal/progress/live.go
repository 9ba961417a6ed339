package progress

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faas-cli/faas-cli/internal/term"
)

// frame is the time between two pictures of the live view: fast enough to look
// alive, slow enough to cost nothing.
const frame = 100 * time.Millisecond

// maxLines is how many functions the live view shows; of more it shows those
// that are being worked on and counts the others.
const maxLines = 20

func (d *Display) animate() {
	tick := time.NewTicker(frame)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.mu.Lock()
			d.above(func(io.Writer) {})
			d.mu.Unlock()
		case <-d.stop:
			d.mu.Lock()
			d.above(func(io.Writer) {})
			d.drawn = 0
			d.mu.Unlock()
			return
		}
	}
}

// above runs write with the live view out of the way, and draws it again. In
// other modes it only runs write.
func (d *Display) above(write func(w io.Writer)) {
	if d.mode != live {
		write(d.t.Err)
		return
	}
	if d.drawn > 0 {
		fmt.Fprintf(d.t.Err, "\x1b[%dA\x1b[J", d.drawn) // up, and clear to the end of the screen
	}
	write(d.t.Err)
	var b bytes.Buffer
	d.drawn = d.draw(&b)
	_, _ = d.t.Err.Write(b.Bytes())
}

// draw writes the live view and returns the number of its lines.
func (d *Display) draw(b *bytes.Buffer) int {
	shown, left := d.functions, 0
	if len(shown) > maxLines {
		shown = nil
		for _, s := range d.functions {
			if !s.ended && len(shown) < maxLines-1 {
				shown = append(shown, s)
			} else {
				left++
			}
		}
	}
	width := 0
	for _, s := range shown {
		width = max(width, len(s.name))
	}
	for _, s := range shown {
		mark, style, took := "●", term.Cyan, s.took
		switch {
		case s.failed:
			mark, style = "✗", term.Red
		case s.ended:
			mark, style = "✓", term.Green
		default:
			took = d.now().Sub(s.started)
		}
		amount := ""
		if !s.ended && s.total > 0 {
			amount = fmt.Sprintf(" %s/%s", Bytes(s.done), Bytes(s.total))
		}
		head := fmt.Sprintf("%-*s %7s  ", width, s.name, Duration(took))
		step := clip(term.Sanitize(strings.ReplaceAll(s.step, "\n", " ")), d.t.Width-len(head)-len(amount)-3)
		fmt.Fprintf(b, "%s %s%s%s\n", d.t.Paint(d.t.Err, style, mark), head, step, amount)
	}
	if left > 0 {
		fmt.Fprintf(b, "  … and %d more\n", left)
		return len(shown) + 1
	}
	return len(shown)
}

// clip shortens s to n columns, so that no line of the live view wraps.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n <= 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}

// Duration is d as people read it: 0.12s, 3.4s, 2m05s.
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
}

// Bytes is n as people read it: 512 B, 5.1 MB, 1.2 GB.
func Bytes(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, suffix := float64(n)/unit, "kB"
	for _, s := range []string{"MB", "GB", "TB"} {
		if v < unit {
			break
		}
		v, suffix = v/unit, s
	}
	return fmt.Sprintf("%.1f %s", v, suffix)
}
