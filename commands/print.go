package commands

import (
	"fmt"
	"io"
)

func sprintf(format string, args ...any) string {
	if len(args) == 0 {
		return format // so that a caller's text may hold a percent sign
	}
	return fmt.Sprintf(format, args...)
}

func writeLine(w io.Writer, line string) error {
	_, err := io.WriteString(w, line+"\n")
	return err
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
