//go:build unix

package runtime

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"
)

// followEvery is how often a followed log is looked at: people see no delay, and nothing is busy.
const followEvery = 50 * time.Millisecond

func (p *processes) Logs(ctx context.Context, f Ref, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		l := &logReader{dir: p.logDir(f), instance: q.Instance, cursors: map[string]*logCursor{}}
		defer l.close()
		if err := l.read(ctx, q, yield); err != nil {
			yield(LogLine{}, err)
		}
	}
}

// logReader merges the logs of a function's replicas by time.
type logReader struct {
	dir      string
	instance string
	cursors  map[string]*logCursor
}

// read yields what q asks for.
func (l *logReader) read(ctx context.Context, q LogQuery, yield func(LogLine, error) bool) error {
	wanted := func(line LogLine) bool { return !line.Time.Before(q.Since) }
	if err := l.discover(); err != nil {
		return err
	}
	if q.Tail >= 0 {
		for _, line := range l.last(q.Tail, wanted) {
			if !yield(line, nil) {
				return nil
			}
		}
	}
	for {
		more, err := l.drain(ctx, wanted, yield)
		if err != nil || !more || !q.Follow {
			return err
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := l.discover(); err != nil {
			return err
		}
	}
}

// drain yields what is there; more is false when nobody wants any more.
func (l *logReader) drain(ctx context.Context, wanted func(LogLine) bool, yield func(LogLine, error) bool) (more bool, err error) {
	for {
		line, ok, err := l.next()
		if err != nil || !ok {
			return true, err
		}
		if wanted(line) && !yield(line, nil) {
			return false, nil
		}
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
	}
}

// last reads all there is and returns the last n lines that are wanted.
func (l *logReader) last(n int, wanted func(LogLine) bool) []LogLine {
	ring := make([]LogLine, 0, min(n, 1024))
	next := 0
	for {
		line, ok, err := l.next()
		if !ok || err != nil { // the error comes again in read
			break
		}
		switch {
		case !wanted(line) || n == 0:
		case len(ring) < n:
			ring = append(ring, line)
		default:
			ring[next] = line
			next = (next + 1) % n
		}
	}
	return append(ring[next:len(ring):len(ring)], ring[:next]...)
}

// discover finds the logs of replicas that started meanwhile.
func (l *logReader) discover() error {
	files, err := logFiles(l.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if l.cursors[f.id] == nil && (l.instance == "" || l.instance == f.id) {
			l.cursors[f.id] = &logCursor{id: f.id, path: f.path, rotated: true}
		}
	}
	return nil
}

// next returns the oldest line that has not been read; ok is false when there is none at the moment.
func (l *logReader) next() (line LogLine, ok bool, err error) {
	var oldest *logCursor
	for _, c := range l.cursors {
		if err := c.fill(); err != nil {
			return line, false, err
		}
		if c.full && (oldest == nil || c.line.Time.Before(oldest.line.Time) || c.line.Time.Equal(oldest.line.Time) && c.id < oldest.id) {
			oldest = c
		}
	}
	if oldest == nil {
		return line, false, nil
	}
	oldest.full = false
	return oldest.line, true, nil
}

func (l *logReader) close() {
	for _, c := range l.cursors {
		c.close()
	}
}

// logCursor is a place in the log of one replica.
type logCursor struct {
	id, path string
	rotated  bool // the rotated file comes first

	f       *os.File
	r       *bufio.Reader
	partial []byte // of a line whose end is not written yet
	full    bool   // line holds the next line
	line    LogLine
}

// fill reads the next line, if there is one.
func (c *logCursor) fill() error {
	for !c.full {
		if c.f == nil {
			if ok, err := c.open(); !ok {
				return err
			}
		}
		b, err := c.r.ReadSlice('\n')
		c.partial = append(c.partial, b...)
		switch {
		case err == nil:
			c.full = c.parse()
			c.partial = c.partial[:0]
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if !c.superseded() {
				return nil
			}
			c.close()
		default:
			return err
		}
	}
	return nil
}

// open opens the file that comes next; ok is false when there is none.
func (c *logCursor) open() (ok bool, err error) {
	path := c.path
	if c.rotated {
		path += rotatedSuffix
	}
	f, err := os.Open(path) //nolint:gosec // a file of our own
	switch {
	case err == nil:
		c.f = f
		if c.r == nil {
			c.r = bufio.NewReaderSize(f, 16<<10)
		} else {
			c.r.Reset(f)
		}
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	case c.rotated: // never was
		c.rotated = false
		return c.open()
	}
	return false, nil
}

// superseded reports whether the file at its end is not the one that is written to any more.
func (c *logCursor) superseded() bool {
	if c.rotated {
		c.rotated = false
		return true
	}
	mine, err := c.f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(c.path)
	if err != nil || os.SameFile(mine, now) {
		return false
	}
	// Between the read that met the end and the rename, more may have been written.
	at, err := c.f.Seek(0, io.SeekCurrent)
	return err == nil && at >= mine.Size()
}

// parse takes a line of the file apart.
func (c *logCursor) parse() bool {
	b := bytes.TrimSuffix(c.partial, []byte("\n"))
	if len(b) <= len(logTime) {
		return false
	}
	t, err := time.Parse(logTime, string(b[:len(logTime)]))
	if err != nil {
		return false
	}
	c.line = LogLine{Time: t, Instance: c.id, Text: string(b[len(logTime)+1:])}
	return true
}

func (c *logCursor) close() {
	if c.f != nil {
		_ = c.f.Close()
		c.f = nil
	}
}
