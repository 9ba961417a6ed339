package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

var (
	// ErrLogTruncated says that a log stream ended, without an error of the
	// connection, in the middle of a message.
	ErrLogTruncated = errors.New("the log ended inside a message")

	// ErrConnectionLost says that the connection broke while an answer was
	// being read. It wraps what the transport said.
	ErrConnectionLost = errors.New("connection lost")
)

// maxLogMessage bounds one message of a log, in bytes of JSON: a server that
// never ends a line does not take all memory.
const maxLogMessage = 16 << 20

// LogRecord is one message of a log. Its slices belong to the decoder and hold
// until its next call of Next.
type LogRecord struct {
	Name, Namespace, Instance []byte
	Text                      []byte // may end with a newline; nil where the decoder leaves texts out
	Timestamp                 time.Time

	raw []byte // the message as it came, where it is one line of JSON in our own form
}

// Message copies the record.
func (r *LogRecord) Message() schema.LogMessage {
	return schema.LogMessage{
		Name: string(r.Name), Namespace: string(r.Namespace), Instance: string(r.Instance),
		Timestamp: r.Timestamp, Text: string(r.Text),
	}
}

// AppendJSON appends the message as one line of JSON, without a newline, all
// five keys in the order of [schema.LogMessage].
func (r *LogRecord) AppendJSON(b []byte) ([]byte, error) {
	if r.raw != nil {
		return append(b, r.raw...), nil
	}
	line, err := json.Marshal(r.Message())
	return append(b, line...), err
}

// logDecoder reads the messages of a log stream, one JSON object after
// another. What servers send, one object a line with the keys in the order of
// [schema.LogMessage], is taken apart by hand; anything else goes through
// encoding/json, with the same result. It is not safe for concurrent use.
type logDecoder struct {
	next   func() ([]byte, error) // brings what was read, which holds until the next call
	block  []byte                 // what is left of that
	err    error                  // why there will be no more, to be told when block is used up
	long   []byte                 // a line that began in an earlier block
	text   []byte                 // of the last message
	slow   *json.Decoder          // takes over for good when a message does not stand on one line
	states *stringStates          // unless nil, records are printed as JSON: texts are checked with it, not decoded

	head    []byte // of the last message, up to the value of instance; its names have no escapes
	nameEnd int    // in head

	second     []byte // of the last message in UTC, from the end of instance: `","timestamp":"2006-01-02T15:04:05`
	secondTime time.Time
}

// logBlock is how much of a log is read at a time, in bytes.
const logBlock = 512 << 10

// message reads the next message into rec. It returns io.EOF after the last one,
// [ErrLogTruncated] when the log ends inside a message, [ErrConnectionLost]
// when reading fails, and other errors for what is no log message.
func (d *logDecoder) message(rec *LogRecord) error {
	for d.slow == nil {
		if n := d.parse(d.block, rec); n > 0 {
			d.block = d.block[n:]
			return nil
		}
		line, err := d.line()
		if err != nil && err != io.EOF {
			return err
		}
		message := bytes.TrimSpace(line)
		switch {
		case len(message) == 0 && err == io.EOF:
			return io.EOF
		case len(message) == 0:
			continue
		case d.parse(line, rec) > 0:
			return nil
		case json.Valid(message):
			return decodeLogMessage(message, rec)
		}
		// The line is broken, or a part of a message; the standard decoder
		// knows. It sees the line again and then the rest.
		d.slow = json.NewDecoder(io.MultiReader(bytes.NewReader(bytes.Clone(line)), d))
	}
	return d.nextSlow(rec)
}

func (d *logDecoder) nextSlow(rec *LogRecord) error {
	var message json.RawMessage
	err := d.slow.Decode(&message)
	switch {
	case err == nil:
		return decodeLogMessage(message, rec)
	case errors.Is(err, ErrConnectionLost):
		return err
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrLogTruncated
	}
	return fmt.Errorf("not a log message: %w", err)
}

// fill gets the next block once the last one is used up.
func (d *logDecoder) fill() error {
	for len(d.block) == 0 {
		if d.err != nil {
			return d.err
		}
		var err error
		if d.block, err = d.next(); err != nil && err != io.EOF {
			err = fmt.Errorf("%w: %w", ErrConnectionLost, err)
		}
		d.err = err
	}
	return nil
}

// Read reads what no message was made of yet.
func (d *logDecoder) Read(p []byte) (int, error) {
	if err := d.fill(); err != nil {
		return 0, err
	}
	n := copy(p, d.block)
	d.block = d.block[n:]
	return n, nil
}

// line reads up to a newline or the end of the stream; with io.EOF the line
// may hold the unfinished rest.
func (d *logDecoder) line() ([]byte, error) {
	d.long = d.long[:0]
	for {
		if err := d.fill(); err != nil {
			return d.long, err
		}
		end := bytes.IndexByte(d.block, '\n') + 1
		line := d.block[:end]
		if end == 0 {
			line = d.block
		}
		d.block = d.block[len(line):]
		if end > 0 && len(d.long) == 0 {
			return line, nil
		}
		if d.long = append(d.long, line...); end > 0 {
			return d.long, nil
		}
		if len(d.long) > maxLogMessage {
			return nil, fmt.Errorf("log message longer than %d bytes", maxLogMessage)
		}
	}
}

// decodeLogMessage is the general way: any object that has at least one of the
// keys of a log message.
func decodeLogMessage(message []byte, rec *LogRecord) error {
	var m struct {
		Name, Namespace, Instance, Text *string
		Timestamp                       *time.Time
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return fmt.Errorf("not a log message: %w", err)
	}
	if m.Name == nil && m.Text == nil && m.Timestamp == nil && m.Instance == nil && m.Namespace == nil {
		return fmt.Errorf("not a log message: none of its keys in %q", message[:min(len(message), 80)])
	}
	bytesOf := func(s *string) []byte {
		if s == nil {
			return nil
		}
		return []byte(*s)
	}
	*rec = LogRecord{
		Name: bytesOf(m.Name), Namespace: bytesOf(m.Namespace), Instance: bytesOf(m.Instance), Text: bytesOf(m.Text),
	}
	if m.Timestamp != nil {
		rec.Timestamp = *m.Timestamp
	}
	return nil
}

// parse is the fast way: one object at the front of b, the five keys in order,
// no blanks, and a newline. It returns how long that is, or 0 for everything
// else, also where that is merely unusual.
func (d *logDecoder) parse(b []byte, rec *LogRecord) int {
	rest, ok := d.names(b, rec)
	if !ok {
		return 0
	}
	instance, ok := plainContent(rest)
	if !ok {
		return 0
	}
	rest, ok = d.time(rest[len(instance):], rec)
	if !ok {
		return 0
	}
	const end = "\"}\n"
	length := d.content(rest, rec)
	if length < 0 || !bytes.HasPrefix(rest[length:], []byte(end)) {
		return 0
	}
	n := len(b) - len(rest) + length + len(end)
	rec.Instance, rec.raw = instance, b[:n-1]
	return n
}

// content reads the value of text, or merely checks it, and returns how long it
// is in JSON, -1 for what is not certain to be one.
func (d *logDecoder) content(b []byte, rec *LogRecord) (length int) {
	if rec.Text = nil; d.states != nil {
		length := bytes.IndexByte(b, '\n') - len(`"}`)
		if length >= 0 && d.states.whole(b[:length]) {
			return length
		}
	}
	d.text, length = unquote(d.text, b)
	rec.Text = d.text
	return length
}

// names reads up to the value of instance. Most messages have the names of the
// one before.
func (d *logDecoder) names(message []byte, rec *LogRecord) (rest []byte, ok bool) {
	const first, second, third = `{"name":"`, `","namespace":"`, `","instance":"`
	if len(d.head) == 0 || !bytes.HasPrefix(message, d.head) {
		d.head = d.head[:0]
		rest, ok := bytes.CutPrefix(message, []byte(first))
		name, plain := plainContent(rest)
		if !ok || !plain {
			return nil, false
		}
		rest, ok = bytes.CutPrefix(rest[len(name):], []byte(second))
		namespace, plain := plainContent(rest)
		if !ok || !plain || !bytes.HasPrefix(rest[len(namespace):], []byte(third)) {
			return nil, false
		}
		d.head = append(d.head, message[:len(first)+len(name)+len(second)+len(namespace)+len(third)]...)
		d.nameEnd = len(first) + len(name)
	}
	rec.Name = d.head[len(first):d.nameEnd]
	rec.Namespace = d.head[d.nameEnd+len(second) : len(d.head)-len(third)]
	return message[len(d.head):], true
}

// time reads from the end of the instance up to the value of text, the time as
// UnmarshalText does. Many messages share a second, so only what follows it is
// read if it is that of the message before.
func (d *logDecoder) time(b []byte, rec *LogRecord) (rest []byte, ok bool) {
	const key, next, length = `","timestamp":"`, `","text":"`, len("2006-01-02T15:04:05")
	if len(d.second) > 0 && bytes.HasPrefix(b, d.second) {
		fraction, n := nanoseconds(b[len(key)+length:])
		if rest = b[len(key)+length+n:]; n > 0 && bytes.HasPrefix(rest, []byte(next)) {
			rec.Timestamp = d.secondTime.Add(fraction)
			return rest[len(next):], true
		}
	}
	if !bytes.HasPrefix(b, []byte(key)) {
		return nil, false
	}
	end := bytes.IndexByte(b[len(key):], '"') + len(key)
	if end < len(key)+length || !bytes.HasPrefix(b[end:], []byte(next)) {
		return nil, false
	}
	if rec.Timestamp.UnmarshalText(b[len(key):end]) != nil {
		return nil, false
	}
	d.second = d.second[:0]
	if fraction, n := nanoseconds(b[len(key)+length : end]); len(key)+length+n == end {
		d.second, d.secondTime = append(d.second, b[:len(key)+length]...), rec.Timestamp.Add(-fraction)
	}
	return b[end+len(next):], true
}

// nanoseconds reads the end of a time in UTC, ".678Z" or "Z", and says how long
// that is, 0 if it is none.
func nanoseconds(b []byte) (d time.Duration, length int) {
	const digits = 9
	if len(b) > 0 && b[0] == 'Z' {
		return 0, 1
	}
	if len(b) == 0 || b[0] != '.' {
		return 0, 0
	}
	n, unit := time.Duration(0), time.Second
	for i, c := range b[1:] {
		switch {
		case c == 'Z' && i > 0:
			return n * unit, i + len(".Z")
		case c < '0' || c > '9' || i == digits:
			return 0, 0
		}
		n, unit = n*10+time.Duration(c-'0'), unit/10
	}
	return 0, 0
}

// errReader remembers why reading failed, to tell a broken connection from an
// answer that ends too early: the transport reports io.ErrUnexpectedEOF as well.
type errReader struct {
	r   io.Reader
	err error // of reading, but for io.EOF
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}
