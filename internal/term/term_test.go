package term

import (
	"bytes"
	"strings"
	"testing"
)

func TestSanitizeDefusesEscapes(t *testing.T) {
	t.Parallel()
	got := Sanitize("a\x1b[31mb\tc\nd\u009be\u202ef\x7f")
	want := "a\ufffd[31mb\tc\nd\ufffde\ufffdf\ufffd"
	if got != want {
		t.Errorf("Sanitize = %q; want %q", got, want)
	}
}

func TestPaintOnlyOnTerminals(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	tm := Test(strings.NewReader(""), &out, &errs)
	tm.Color, tm.ErrTTY = true, true
	if got := tm.Paint(&out, Red, "x"); got != "x" {
		t.Errorf("painted %q on a stream that is no terminal", got)
	}
	if got := tm.Paint(&errs, Red, "x"); !strings.Contains(got, "\x1b[") {
		t.Errorf("did not paint %q on a terminal", got)
	}
	tm.Color = false
	if got := tm.Paint(&errs, Red, "x"); got != "x" {
		t.Errorf("painted %q though colours are off", got)
	}
}

func TestErrLabelKeepsItsColourAndDefusesTheLine(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	tm := Test(strings.NewReader(""), nil, &errs)
	tm.Color, tm.ErrTTY = true, true
	tm.ErrLabel(Red, "error:", "a\x1b[2Jb")
	if got, want := errs.String(), tm.Paint(&errs, Red, "error:")+" a\ufffd[2Jb\n"; got != want {
		t.Errorf("wrote %q; want %q", got, want)
	}
}
