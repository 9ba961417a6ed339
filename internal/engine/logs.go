package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// A LogQuery selects lines of a container's output.
type LogQuery struct {
	Since  time.Time // zero: from the start
	Tail   int       // that many last lines; negative or zero: all
	Follow bool      // until the container ends
}

// A LogLine is a line that a container wrote, without its end.
type LogLine struct {
	Time   time.Time
	Stderr bool
	Text   string
}

// maxLogLine is where a line is cut that the program never ends.
const maxLogLine = 1 << 20

// Logs reads a container's output. The engine keeps lines in pieces of 16 KiB, which are joined again.
func (c *Client) Logs(ctx context.Context, id string, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		op := fmt.Sprintf("logs of container %q", id)
		o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: q.Follow}
		if !q.Since.IsZero() {
			o.Since = q.Since.UTC().Format(time.RFC3339Nano)
		}
		if q.Tail > 0 {
			o.Tail = strconv.Itoa(q.Tail)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		body, err := c.api.ContainerLogs(ctx, id, o)
		if err != nil {
			yield(LogLine{}, c.fail(ctx, op, err))
			return
		}
		defer body.Close() //nolint:errcheck // only read from
		for line, err := range splitLog(body) {
			if err != nil {
				yield(LogLine{}, c.fail(ctx, op, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// splitLog takes the engine's multiplexed stream apart: frames of a type byte (2 is stderr), three
// of padding and a big-endian length, each a time, a blank and a piece of one line.
func splitLog(r io.Reader) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		br := bufio.NewReader(r)
		var open [2]*LogLine // a line that has not ended yet: stdout's, stderr's
		flush := func(i int) bool {
			l := open[i]
			open[i] = nil
			return l == nil || yield(*l, nil)
		}
		for {
			var header [8]byte
			if _, err := io.ReadFull(br, header[:]); err != nil {
				if !flush(0) || !flush(1) || errors.Is(err, io.EOF) {
					return
				}
				yield(LogLine{}, err)
				return
			}
			frame := make([]byte, binary.BigEndian.Uint32(header[4:]))
			if _, err := io.ReadFull(br, frame); err != nil {
				yield(LogLine{}, err)
				return
			}
			i := 0
			if header[0] == 2 {
				i = 1
			}
			stamp, text, _ := strings.Cut(string(frame), " ")
			text, ended := strings.CutSuffix(text, "\n")
			if open[i] == nil {
				at, _ := time.Parse(time.RFC3339Nano, stamp)
				open[i] = &LogLine{Time: at, Stderr: i == 1}
			}
			open[i].Text += text
			if (ended || len(open[i].Text) >= maxLogLine) && !flush(i) {
				return
			}
		}
	}
}
