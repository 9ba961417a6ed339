package commands

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
)

const (
	// maxReconnects is how often in a row a lost log is taken up again.
	maxReconnects = 5
	// firstReconnect is the wait before the first of them, doubled each time;
	// up to a quarter is taken off at random.
	firstReconnect = 250 * time.Millisecond
)

// logStream is what a logReader needs of a gateway.LogStream.
type logStream interface {
	Next(rec *gateway.LogRecord) error
	io.Closer
}

// logReader prints one log from beginning to end, over several connections if
// one is lost.
type logReader struct {
	open        func(ctx context.Context, q gateway.LogQuery) (logStream, error)
	print       func(rec *gateway.LogRecord) error
	reconnected func(err error, attempt int) // called before each attempt; may be nil
	noReconnect bool

	resume resumePoint
}

// run returns nil when the server ends the log between two messages. Only a
// lost connection is worth another try, and only once there was one: a gateway
// that cannot be reached at all is an error at once.
func (r *logReader) run(ctx context.Context, q gateway.LogQuery) error {
	s, err := r.open(ctx, q)
	if err != nil {
		return err
	}
	for failures := 0; ; {
		printed, err := r.drain(s)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if printed > 0 {
			failures = 0
		}
		for s = nil; s == nil; {
			if r.noReconnect || failures == maxReconnects || !connectionFailed(err) {
				return err
			}
			failures++
			if r.reconnected != nil {
				r.reconnected(err, failures)
			}
			delay := firstReconnect << (failures - 1)
			if sleep(ctx, delay-rand.N(delay/4)) != nil {
				return err // why it is not connected says more
			}
			s, err = r.open(ctx, r.resume.query(q))
			if err != nil {
				s = nil
			}
		}
	}
}

// drain prints what a connection brings and says how many messages that were.
func (r *logReader) drain(s logStream) (printed int, err error) {
	defer func() { _ = s.Close() }() // it was only read
	var rec gateway.LogRecord
	for {
		if err := s.Next(&rec); err == io.EOF {
			return printed, nil
		} else if err != nil {
			return printed, err
		}
		if !r.noReconnect && r.resume.seen(&rec) {
			continue
		}
		if err := r.print(&rec); err != nil {
			return printed, &outputError{err}
		}
		printed++
	}
}

// outputError says that the output failed rather than the log.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// connectionFailed tells the network's failures from the server's answers.
func connectionFailed(err error) bool {
	var own *outputError
	lost := errors.Is(err, gateway.ErrConnectionLost) || errors.Is(err, gateway.ErrUnreachable)
	return lost && !errors.Is(err, gateway.ErrUntrusted) && !errors.As(err, &own)
}

// resumePoint remembers the newest second of a log and the messages printed of
// it. A log is taken up again at that second, as the API knows no smaller
// unit, and what was printed before is dropped.
type resumePoint struct {
	started bool
	second  int64
	lines   []byte         // messages printed of that second, as lines of JSON
	printed []uint64       // hashes of those that lines became too long for
	again   map[uint64]int // of all these, what the current connection may repeat
	seed    maphash.Seed
}

// maxResumeLines is how much is kept as lines, in bytes: to copy a message costs
// less than to hash it, which few logs ever come to.
const maxResumeLines = 256 << 10

// query is q for the next connection.
func (p *resumePoint) query(q gateway.LogQuery) gateway.LogQuery {
	if !p.started {
		return q
	}
	p.hashLines()
	p.again = map[uint64]int{}
	for _, h := range p.printed {
		p.again[h]++
	}
	q.Since = time.Unix(p.second, 0).UTC()
	q.Tail = -1 // all of it: the lines asked for first are long printed
	return q
}

// seen notes a message and says whether it was printed over an earlier
// connection.
func (p *resumePoint) seen(rec *gateway.LogRecord) bool {
	second := rec.Timestamp.Unix()
	switch {
	case !p.started:
		p.started, p.second, p.seed = true, second, maphash.MakeSeed()
	case second > p.second:
		p.second, p.lines, p.printed, p.again = second, p.lines[:0], p.printed[:0], nil
	case second < p.second:
		return p.again != nil // late, and from before the point, so printed unless it is the first connection
	}
	start := len(p.lines)
	lines, err := rec.AppendJSON(p.lines)
	if err != nil {
		return false // no other can be compared with it
	}
	p.lines = append(lines, '\n')
	if len(p.again) > 0 {
		if h := maphash.Bytes(p.seed, p.lines[start:]); p.again[h] > 0 {
			p.again[h]--
			p.lines = p.lines[:start]
			return true
		}
	}
	if len(p.lines) > maxResumeLines {
		p.hashLines()
	}
	return false
}

// hashLines leaves only the hashes of the lines.
func (p *resumePoint) hashLines() {
	for line := range bytes.Lines(p.lines) {
		p.printed = append(p.printed, maphash.Bytes(p.seed, line))
	}
	p.lines = p.lines[:0]
}
