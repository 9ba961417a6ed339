package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// Summary is what a list shows of a function; see [schema.FunctionStatus].
type Summary struct {
	Name            string    `json:"name"`
	Namespace       string    `json:"namespace"`
	Image           string    `json:"image"`
	InvocationCount float64   `json:"invocationCount"`
	Replicas        uint64    `json:"replicas"`
	CreatedAt       time.Time `json:"createdAt"`
}

// Summaries is [Client.Functions] with less of each function, several times
// faster: what a summary leaves out is skipped unread.
func (c *Client) Summaries(ctx context.Context, namespace string) ([]Summary, error) {
	list := []Summary{}
	_, err := c.do(ctx, call{
		op: "list functions", method: http.MethodGet, path: "system/functions",
		query: inNamespace(namespace), noFollow: true,
	}, func(body io.Reader) error {
		return eachSummary(body, func(s Summary) { list = append(list, s) })
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

const (
	// summaryBuffer holds a hundred usual functions; a longer one makes it grow.
	summaryBuffer = 64 << 10
	// maxSummary bounds one function of a list, in bytes of JSON.
	maxSummary = 16 << 20
)

// elements cuts a JSON list into its objects as it is read.
type elements struct {
	r   io.Reader
	buf []byte // what was read and not used
	mem []byte // where buf lives
	err error  // of r
}

// fill reads more behind buf. It fails with io.ErrUnexpectedEOF at the end.
func (e *elements) fill() error {
	if e.err != nil {
		if errors.Is(e.err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return e.err
	}
	if len(e.buf) == len(e.mem) { // full, or not made yet
		if len(e.mem) >= maxSummary {
			return &shapeError{fmt.Sprintf("a function of more than %d bytes", maxSummary)}
		}
		e.mem = make([]byte, max(2*len(e.mem), summaryBuffer))
	}
	n := copy(e.mem, e.buf)
	var m int
	m, e.err = e.r.Read(e.mem[n:])
	e.buf = e.mem[:n+m]
	return nil
}

// next is the first byte that is no white space, which stays.
func (e *elements) next() (byte, error) {
	for {
		for i, c := range e.buf {
			if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				e.buf = e.buf[i:]
				return c, nil
			}
		}
		e.buf = nil
		if err := e.fill(); err != nil {
			return 0, err
		}
	}
}

// object takes an object off buf, valid until the next call.
func (e *elements) object() ([]byte, error) {
	for {
		if n := valueLength(e.buf); n > 0 {
			object := e.buf[:n]
			e.buf = e.buf[n:]
			return object, nil
		}
		if err := e.fill(); err != nil {
			return nil, err
		}
	}
}

// eachSummary reads a JSON list of functions; null counts as an empty one.
func eachSummary(r io.Reader, each func(Summary)) error {
	e := &elements{r: r}
	c, err := e.next()
	switch {
	case err != nil:
		return err
	case c == 'n': // null, or nothing that we know
		var list []Summary
		return json.NewDecoder(io.MultiReader(bytes.NewReader(e.buf), r)).Decode(&list)
	case c != '[':
		return &shapeError{"no list"}
	}
	e.buf = e.buf[1:]
	for first := true; ; first = false {
		if c, err = e.next(); err != nil {
			return err
		}
		if c == ']' {
			return nil
		}
		if !first {
			if c != ',' {
				return &shapeError{fmt.Sprintf("%q between two functions", c)}
			}
			e.buf = e.buf[1:]
			if c, err = e.next(); err != nil {
				return err
			}
		}
		if c != '{' {
			return &shapeError{"a list of something else than functions"}
		}
		object, err := e.object()
		if err != nil {
			return err
		}
		var s Summary
		if !s.parse(object) {
			s = Summary{}
			if err := json.Unmarshal(object, &s); err != nil {
				return err
			}
		}
		each(s)
	}
}

// valueLength is how long the JSON value at the front of b is, 0 if its end is
// not in b. A number or a word ends with what cannot belong to it.
func valueLength(b []byte) int {
	depth, word := 0, false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := stringLength(b[i:])
			if n == 0 {
				return 0
			}
			if i += n - 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i // the end of a number or word, and of what it is in
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 && word {
				return i
			}
		default:
			word = true
		}
	}
	return 0
}

// stringLength is how long the JSON string at the front of b is, quotes
// included; 0 if its end is not in b.
func stringLength(b []byte) int {
	for i := 1; i < len(b); {
		n, _ := plainPrefix(b[i:])
		if i += n; i >= len(b) {
			return 0
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			i++ // a control character, which the parser refuses if it looks
		}
	}
	return 0
}

// parse reads a summary out of an object. It reports false for what is unusual,
// which encoding/json then judges.
func (s *Summary) parse(b []byte) bool {
	b = bytes.TrimLeft(b[1:], " \n\t\r")
	for len(b) > 0 && b[0] == '"' {
		n := stringLength(b)
		if n == 0 {
			return false
		}
		key := b[1 : n-1]
		b = bytes.TrimLeft(b[n:], " \n\t\r")
		if len(b) == 0 || b[0] != ':' {
			return false
		}
		b = bytes.TrimLeft(b[1:], " \n\t\r")
		n = valueLength(b)
		if n == 0 || !s.set(key, b[:n]) {
			return false
		}
		b = bytes.TrimLeft(b[n:], " \n\t\r")
		switch {
		case len(b) == 1 && b[0] == '}':
			return true
		case len(b) == 0 || b[0] != ',':
			return false
		}
		b = bytes.TrimLeft(b[1:], " \n\t\r")
	}
	return false
}

// set takes a value over if the key is known.
func (s *Summary) set(key, value []byte) bool {
	text := func(to *string) bool {
		plain, ok := plainString(value)
		if ok {
			*to = string(plain)
		}
		return ok
	}
	var err error
	switch string(key) {
	case "name":
		return text(&s.Name)
	case "namespace":
		return text(&s.Namespace)
	case "image":
		return text(&s.Image)
	case "invocationCount":
		s.InvocationCount, err = strconv.ParseFloat(string(value), 64)
		return err == nil && isNumber(value)
	case "replicas":
		s.Replicas, err = strconv.ParseUint(string(value), 10, 64)
		return err == nil && isNumber(value)
	case "createdAt":
		plain, ok := plainString(value)
		return ok && s.CreatedAt.UnmarshalText(plain) == nil
	}
	// Another spelling of a known key is for encoding/json, which forgives it.
	for _, known := range []string{"name", "namespace", "image", "invocationCount", "replicas", "createdAt"} {
		if len(known) == len(key) && bytes.EqualFold(key, []byte(known)) {
			return false
		}
	}
	return true
}

// plainString is the content of a JSON string without escapes.
func plainString(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	content := value[1 : len(value)-1]
	n, ascii := plainPrefix(content)
	return content, n == len(content) && (ascii || utf8.Valid(content))
}

// isNumber says whether strconv understood what JSON calls a number, too.
func isNumber(value []byte) bool {
	c := value[0]
	return (c == '-' || '0' <= c && c <= '9') && json.Valid(value)
}
