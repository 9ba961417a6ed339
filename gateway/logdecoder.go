package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math/bits"
	"time"
	"unicode/utf8"

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
	Text                      []byte // may end with a newline
	raw                       []byte // the message as it came, where it is one line of JSON in our own form
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

// Hash returns a hash of the message, the same for messages that print alike.
func (r *LogRecord) Hash(seed maphash.Seed) uint64 {
	if r.raw != nil {
		return maphash.Bytes(seed, r.raw)
	}
	line, err := r.AppendJSON(nil)
	if err != nil { // a time that JSON has no form for
		line = r.Text
	}
	return maphash.Bytes(seed, line)
}

// LogDecoder reads the messages of a log stream, one JSON object after
// another. What servers send, one object a line with the keys in the order of
// [schema.LogMessage], is taken apart by hand; anything else goes through
// encoding/json, with the same result. It is not safe for concurrent use.
type LogDecoder struct {
	src     *errReader
	r       *bufio.Reader
	long    []byte        // a line that is longer than the buffer of r
	scratch []byte        // strings of the current message that had escapes
	slow    *json.Decoder // takes over for good when a message does not stand on one line
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
		Name: bytesOf(m.Name), Namespace: bytesOf(m.Namespace), Instance: bytesOf(m.Instance), Text: bytesOf(m.Text),
	}
	if m.Timestamp != nil {
		rec.Timestamp = *m.Timestamp
	}
	return nil
}

// parse is the fast way: one object, the five keys in order, no blanks. It
// reports false for everything else, also where that is merely unusual.
func (d *LogDecoder) parse(message []byte, rec *LogRecord) bool {
	d.scratch = d.scratch[:0]
	rest, ok := message, true
	value := func(key string) (v []byte) {
		if !ok || len(rest) < len(key) || string(rest[:len(key)]) != key {
			ok = false
			return nil
		}
		v, rest, ok = d.stringValue(rest[len(key):])
		return v
	}
	rec.Name = value(`{"name":"`)
	rec.Namespace = value(`,"namespace":"`)
	rec.Instance = value(`,"instance":"`)
	timestamp := value(`,"timestamp":"`)
	rec.Text = value(`,"text":"`)
	if !ok || string(rest) != "}" || rec.Timestamp.UnmarshalText(timestamp) != nil {
		return false
	}
	rec.raw = message
	return true
}

// stringValue reads a JSON string whose opening quote is gone, and returns it
// without its escapes, and what follows the closing quote.
func (d *LogDecoder) stringValue(b []byte) (value, rest []byte, ok bool) {
	n, ascii := plainPrefix(b)
	if n < len(b) && b[n] == '"' {
		return b[:n], b[n+1:], ascii || utf8.Valid(b[:n])
	}
	start := len(d.scratch)
	for n < len(b) && b[n] == '\\' {
		d.scratch = append(d.scratch, b[:n]...)
		if b, ok = d.unescape(b[n+1:]); !ok {
			return nil, nil, false
		}
		var a bool
		n, a = plainPrefix(b)
		ascii = ascii && a
	}
	if n == len(b) || b[n] != '"' {
		return nil, nil, false // unfinished, or a raw control character
	}
	d.scratch = append(d.scratch, b[:n]...)
	value = d.scratch[start:]
	return value, b[n+1:], ascii || utf8.Valid(value)
}

// unescape appends the character that an escape stands for, its backslash
// gone, and returns what follows. Surrogate pairs are left to encoding/json.
func (d *LogDecoder) unescape(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	c := b[0]
	switch c {
	case '"', '\\', '/':
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		r := rune(0)
		if len(b) < 5 {
			return nil, false
		}
		for _, h := range b[1:5] {
			switch {
			case '0' <= h && h <= '9':
				h -= '0'
			case 'a' <= h && h <= 'f':
				h -= 'a' - 10
			case 'A' <= h && h <= 'F':
				h -= 'A' - 10
			default:
				return nil, false
			}
			r = r<<4 | rune(h)
		}
		if !utf8.ValidRune(r) {
			return nil, false
		}
		d.scratch = utf8.AppendRune(d.scratch, r)
		return b[5:], true
	default:
		return nil, false
	}
	d.scratch = append(d.scratch, c)
	return b[1:], true
}

// plainPrefix returns how many bytes precede the first quote, backslash or
// control character, eight bytes at a time, and whether these are surely all
// ASCII.
func plainPrefix(b []byte) (n int, ascii bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	seen := uint64(0)
	for ; n+8 <= len(b); n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		seen |= w
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// A byte's high bit is set where it is below 0x20, or zero after the
		// exclusive or; bits above the first such byte may be wrong, so only
		// the lowest one counts.
		stop := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if stop != 0 {
			return n + bits.TrailingZeros64(stop)/8, seen&highs == 0
		}
	}
	for ; n < len(b); n++ {
		c := b[n]
		if c < 0x20 || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&highs == 0
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
