package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
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
	Timestamp                 time.Time

	text    []byte
	escaped bool   // text has the escapes of JSON
	raw     []byte // the message as it came, where it is one line of JSON in our own form
}

// AppendText appends the text, which may end with a newline.
func (r *LogRecord) AppendText(b []byte) []byte {
	if r.escaped {
		return appendPlain(b, r.text)
	}
	return append(b, r.text...)
}

// Message copies the record.
func (r *LogRecord) Message() schema.LogMessage {
	return schema.LogMessage{
		Name: string(r.Name), Namespace: string(r.Namespace), Instance: string(r.Instance),
		Timestamp: r.Timestamp, Text: string(r.AppendText(nil)),
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

// Hash returns a hash of the message, the same for messages that print alike.
func (r *LogRecord) Hash(seed maphash.Seed) uint64 {
	if r.raw != nil {
		return maphash.Bytes(seed, r.raw)
	}
	line, err := r.AppendJSON(nil)
	if err != nil { // a time that JSON has no form for
		line = r.AppendText(nil)
	}
	return maphash.Bytes(seed, line)
}

// LogDecoder reads the messages of a log stream, one JSON object after
// another. What servers send, one object a line with the keys in the order of
// [schema.LogMessage], is taken apart by hand; anything else goes through
// encoding/json, with the same result. It is not safe for concurrent use.
type LogDecoder struct {
	src  *errReader
	r    *bufio.Reader
	long []byte        // a line that is longer than the buffer of r
	slow *json.Decoder // takes over for good when a message does not stand on one line

	head    []byte // of the last message, up to the value of instance; its names have no escapes
	nameEnd int    // in head

	second     []byte // of the last message in UTC, from the end of instance: `","timestamp":"2006-01-02T15:04:05`
	secondTime time.Time
}

// NewLogDecoder returns a decoder of r. It reads no more often than it must:
// when it reads, all that has arrived before was returned.
func NewLogDecoder(r io.Reader) *LogDecoder {
	src := &errReader{r: r}
	return &LogDecoder{src: src, r: bufio.NewReaderSize(src, 64<<10)}
}

// Next reads the next message into rec. It returns io.EOF after the last one,
// [ErrLogTruncated] when the log ends inside a message, [ErrConnectionLost]
// when reading fails, and other errors for what is no log message.
func (d *LogDecoder) Next(rec *LogRecord) error {
	for d.slow == nil {
		line, err := d.line()
		if d.src.err != nil && err != nil {
			return fmt.Errorf("%w: %w", ErrConnectionLost, d.src.err)
		}
		if err != nil && err != io.EOF {
			return err
		}
		message := bytes.TrimSpace(line)
		switch {
		case len(message) == 0 && err == io.EOF:
			return io.EOF
		case len(message) == 0:
			continue
		case d.parse(message, rec):
			return nil
		case json.Valid(message):
			return decodeLogMessage(message, rec)
		}
		// The line is broken, or a part of a message; the standard decoder
		// knows. It sees the line again and then the rest.
		pending := io.MultiReader(bytes.NewReader(bytes.Clone(line)), d.r)
		d.slow = json.NewDecoder(pending)
	}
	return d.nextSlow(rec)
}

func (d *LogDecoder) nextSlow(rec *LogRecord) error {
	var message json.RawMessage
	err := d.slow.Decode(&message)
	switch {
	case err == nil:
		return decodeLogMessage(message, rec)
	case d.src.err != nil:
		return fmt.Errorf("%w: %w", ErrConnectionLost, d.src.err)
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrLogTruncated
	}
	return fmt.Errorf("not a log message: %w", err)
}

// line reads up to a newline or the end of the stream; with io.EOF the line
// may hold the unfinished rest.
func (d *LogDecoder) line() ([]byte, error) {
	line, err := d.r.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return line, err
	}
	d.long = append(d.long[:0], line...)
	for err == bufio.ErrBufferFull {
		if len(d.long) > maxLogMessage {
			return nil, fmt.Errorf("log message longer than %d bytes", maxLogMessage)
		}
		line, err = d.r.ReadSlice('\n')
		d.long = append(d.long, line...)
	}
	return d.long, err
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
		Name: bytesOf(m.Name), Namespace: bytesOf(m.Namespace), Instance: bytesOf(m.Instance), text: bytesOf(m.Text),
	}
	if m.Timestamp != nil {
		rec.Timestamp = *m.Timestamp
	}
	return nil
}

// parse is the fast way: one object, the five keys in order, no blanks. It
// reports false for everything else, also where that is merely unusual. The
// text is checked, but its escapes stay until somebody asks for it.
func (d *LogDecoder) parse(message []byte, rec *LogRecord) bool {
	rest, ok := d.names(message, rec)
	if !ok {
		return false
	}
	instance, escaped, ok := stringValue(rest)
	if !ok || escaped {
		return false
	}
	rest, ok = d.time(rest[len(instance):], rec)
	if !ok {
		return false
	}
	rec.Instance = instance
	rec.text, rec.escaped, ok = stringValue(rest)
	if !ok || string(rest[len(rec.text):]) != `"}` {
		return false
	}
	rec.raw = message
	return true
}

// names reads up to the value of instance. Most messages have the names of the
// one before.
func (d *LogDecoder) names(message []byte, rec *LogRecord) (rest []byte, ok bool) {
	const first, second, third = `{"name":"`, `","namespace":"`, `","instance":"`
	if len(d.head) == 0 || !bytes.HasPrefix(message, d.head) {
		d.head = d.head[:0]
		rest, ok := bytes.CutPrefix(message, []byte(first))
		name, escaped, valid := stringValue(rest)
		if !ok || !valid || escaped {
			return nil, false
		}
		rest, ok = bytes.CutPrefix(rest[len(name):], []byte(second))
		namespace, escaped, valid := stringValue(rest)
		if !ok || !valid || escaped || !bytes.HasPrefix(rest[len(namespace):], []byte(third)) {
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
func (d *LogDecoder) time(b []byte, rec *LogRecord) (rest []byte, ok bool) {
	const key, next, length = `","timestamp":"`, `","text":"`, len("2006-01-02T15:04:05")
	known := len(d.second) > 0 && bytes.HasPrefix(b, d.second)
	if !known && !bytes.HasPrefix(b, []byte(key)) {
		return nil, false
	}
	end := bytes.IndexByte(b[len(key):], '"') + len(key)
	if end < len(key)+length || !bytes.HasPrefix(b[end:], []byte(next)) {
		return nil, false
	}
	rest = b[end+len(next):]
	fraction, short := nanoseconds(b[len(key)+length : end])
	if known && short {
		rec.Timestamp = d.secondTime.Add(fraction)
		return rest, true
	}
	if rec.Timestamp.UnmarshalText(b[len(key):end]) != nil {
		return nil, false
	}
	if d.second = d.second[:0]; short {
		d.second, d.secondTime = append(d.second, b[:len(key)+length]...), rec.Timestamp.Add(-fraction)
	}
	return rest, true
}

// nanoseconds reads the end of a time in UTC, ".678Z" or "Z".
func nanoseconds(text []byte) (time.Duration, bool) {
	const digits = 9
	if string(text) == "Z" {
		return 0, true
	}
	if len(text) < len(".0Z") || len(text) > digits+len(".Z") || text[0] != '.' || text[len(text)-1] != 'Z' {
		return 0, false
	}
	n := time.Duration(0)
	for _, c := range text[1 : len(text)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + time.Duration(c-'0')
	}
	for range digits - (len(text) - len(".Z")) {
		n *= 10
	}
	return n, true
}

// errReader remembers why reading failed, to tell a broken connection from a
// log that ends too early: the transport reports io.ErrUnexpectedEOF as well.
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
