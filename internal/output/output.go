// Package output renders results as a table, JSON, YAML or names.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Format is how results are printed.
type Format string

// The formats. Wide is a table with further columns.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
	Name  Format = "name"
)

// Formats lists all of them in the order in which help shows them.
func Formats() []Format { return []Format{Table, Wide, JSON, YAML, Name} }

// Column is one column of a table.
type Column[T any] struct {
	Header string
	Value  func(T) string
	Wide   bool // only shown by Wide
}

// Printer prints values of one type in any format.
type Printer[T any] struct {
	Format  Format
	Columns []Column[T]
	Name    func(T) string // for Name: one line a value
}

// List prints rows. Without rows it prints the header alone, [] or nothing.
func (p Printer[T]) List(w io.Writer, rows []T) error {
	switch p.Format {
	case JSON:
		if rows == nil {
			rows = []T{}
		}
		return WriteJSON(w, rows)
	case YAML:
		if rows == nil {
			rows = []T{}
		}
		return WriteYAML(w, rows)
	case Name:
		return p.names(w, rows)
	default:
		return p.table(w, rows)
	}
}

// One prints a single value, as an object rather than a list of one.
func (p Printer[T]) One(w io.Writer, row T) error {
	switch p.Format {
	case JSON:
		return WriteJSON(w, row)
	case YAML:
		return WriteYAML(w, row)
	default:
		return p.List(w, []T{row})
	}
}

func (p Printer[T]) names(w io.Writer, rows []T) error {
	var b bytes.Buffer
	for _, row := range rows {
		b.WriteString(p.Name(row))
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

// gap separates two columns.
const gap = "  "

func (p Printer[T]) table(w io.Writer, rows []T) error {
	columns := slices.DeleteFunc(slices.Clone(p.Columns), func(c Column[T]) bool { return c.Wide && p.Format != Wide })
	cells := make([][]string, 0, len(rows)+1)
	widths := make([]int, len(columns))
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.Header
		widths[i] = utf8.RuneCountInString(c.Header)
	}
	cells = append(cells, header)
	for _, row := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = c.Value(row)
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		cells = append(cells, line)
	}
	var b bytes.Buffer
	for _, line := range cells {
		for i, cell := range line {
			b.WriteString(cell)
			if i < len(line)-1 { // no blanks at the end of a line
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
				b.WriteString(gap)
			}
		}
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

// WriteJSON writes v indented by two blanks with a final newline, and leaves
// <, > and & as they are: the reader is no browser. It may be a terminal,
// though: see [EscapeControls].
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(EscapeControls(b.Bytes()))
	return err
}

// EscapeControls escapes what could steer a terminal and JSON lets stand as it
// is: DEL, the C1 controls and Unicode's bidirectional overrides. The text, which
// is JSON, means the same after it.
func EscapeControls(text []byte) []byte {
	steers := func(r rune) bool { return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) }
	if !bytes.ContainsFunc(text, steers) {
		return text
	}
	escaped := make([]byte, 0, len(text)+64)
	for _, r := range string(text) {
		if steers(r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = utf8.AppendRune(escaped, r)
		}
	}
	return escaped
}

// WriteYAML writes v with the keys that its JSON form has, in the same order.
func WriteYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node // JSON is YAML in flow style, so the node keeps the order
	if err := yaml.Unmarshal(data, &node); err != nil {
		return err
	}
	blockStyle(&node)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	return enc.Close()
}

// blockStyle drops the flow style and the quotes that came from JSON, except
// where an empty list or map has no other form. The encoder quotes again what
// would read as another type.
func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		blockStyle(child)
	}
}
