package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
)

func decodeAll(r io.Reader) (messages []schema.LogMessage, lines []string, err error) {
	log := gateway.NewLogStream(io.NopCloser(r), gateway.LogReading{})
	defer func() { _ = log.Close() }()
	var rec gateway.LogRecord
	for {
		if err = log.Next(&rec); err != nil {
			return messages, lines, err
		}
		messages = append(messages, rec.Message())
		line, err := rec.AppendJSON(nil)
		if err != nil {
			return messages, lines, err
		}
		lines = append(lines, string(line))
	}
}

// linesOf is decodeAll without decoding the texts.
func linesOf(r io.Reader) (lines []string, err error) {
	log := gateway.NewLogStream(io.NopCloser(r), gateway.LogReading{JSON: true})
	defer func() { _ = log.Close() }()
	var rec gateway.LogRecord
	for {
		if err = log.Next(&rec); err != nil {
			return lines, err
		}
		line, err := rec.AppendJSON(nil)
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(line))
	}
}

const logLine = `{"name":"fn","namespace":"n","instance":"i-1","timestamp":"2026-01-02T03:04:05.678Z","text":"hello\n"}`

// TestLogDecoderLikeEncodingJSON compares the decoder with the standard one,
// for messages of all shapes.
func TestLogDecoderLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	streams := map[string]string{
		"one":              logLine + "\n",
		"no final newline": logLine,
		"many":             strings.Repeat(logLine+"\n", 6000), // more than a block
		"one line":         logLine + logLine + " " + logLine,
		"spread out":       strings.ReplaceAll(logLine, ",", ",\n  ") + "\n" + logLine + "\n",
		"blank lines":      "\n\n" + logLine + "\n\r\n" + logLine + "\r\n\n",
		"other order":      `{"text":"t","name":"fn"}` + "\n" + logLine + "\n",
		"more keys":        `{"name":"fn","level":3,"text":"t"}` + "\n" + logLine + "\n",
		"escapes":          strings.ReplaceAll(logLine, "hello", `a\"b\\c\/d\b\f\r\t\u003cx\u003e\u00e9\ud83d\ude00`) + "\n",
		"raw utf-8":        strings.ReplaceAll(logLine, "hello", "größe 😀") + "\n",
		"invalid utf-8":    strings.ReplaceAll(logLine, "hello", "a\xffb\\n") + "\n",
		"lone surrogate":   strings.ReplaceAll(logLine, "hello", `\ud83d`) + "\n",
		"long":             strings.ReplaceAll(logLine, "hello", strings.Repeat("x€\\t", 100_000)) + "\n" + logLine + "\n",
		"offset":           strings.ReplaceAll(logLine, "Z", "+02:00") + "\n",
		"empty":            "",
		"every length":     everyLength(),
		"names in turn":    inTurn("fn", "n", "i-1") + inTurn("fn", "n", "i-22") + inTurn("f", "nn", "i-1") + inTurn("", "", "") + inTurn(`f\u006e`, `n\"`, `\\`) + inTurn("fn", "n", "i-1"),
		"times in turn":    timesInTurn(),
	}
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want []schema.LogMessage
			for dec := json.NewDecoder(strings.NewReader(stream)); ; {
				var m schema.LogMessage
				if err := dec.Decode(&m); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				want = append(want, m)
			}
			for how, r := range map[string]io.Reader{
				"at once": strings.NewReader(stream), "byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
			} {
				got, lines, err := decodeAll(r)
				if err != io.EOF || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s: got %.300v, %v\nwant %.300v", how, got, err, want)
				}
				if asJSON, _ := linesOf(strings.NewReader(stream)); !slices.Equal(asJSON, lines) {
					t.Fatalf("%s: printed %.300q without decoding, %.300q with it", how, asJSON, lines)
				}
				for i, line := range lines {
					var m schema.LogMessage
					if err := json.Unmarshal([]byte(line), &m); err != nil || !reflect.DeepEqual(m, want[i]) {
						t.Fatalf("%s: printed %.300s, %v", how, line, err)
					}
				}
			}
		})
	}
}

// inTurn is a message of an instance.
func inTurn(name, namespace, instance string) string {
	return `{"name":"` + name + `","namespace":"` + namespace + `","instance":"` + instance + `","timestamp":"2026-01-02T03:04:05Z","text":"x"}` + "\n"
}

// timesInTurn has times of one second, and of others, in all forms.
func timesInTurn() string {
	var b strings.Builder
	for _, end := range []string{"05Z", "05.1Z", "05.123456789Z", "05.1234567891Z", "05+00:00", "05.5-01:30", "06Z", "06.000001Z", "05.999Z"} {
		fmt.Fprint(&b, strings.ReplaceAll(logLine, "05.678Z", end)+"\n", logLine+"\n")
	}
	return b.String()
}

// everyLength puts the interesting characters at every offset of a word of
// the scanner.
func everyLength() string {
	var b strings.Builder
	for n := range 40 {
		for _, special := range []string{`\"`, `\\`, `\n`, "é", ""} {
			fmt.Fprintln(&b, strings.ReplaceAll(logLine, "hello", strings.Repeat("~", n)+special+strings.Repeat("!", 40-n)))
		}
	}
	return b.String()
}

func TestLogDecoderErrors(t *testing.T) {
	t.Parallel()
	cut := iotest.ErrReader(io.ErrUnexpectedEOF) // what net/http says of a cut connection
	for name, tt := range map[string]struct {
		stream   io.Reader
		is       error
		messages int
	}{
		"ends inside a message":           {strings.NewReader(logLine + "\n" + `{"name":"fn","te`), gateway.ErrLogTruncated, 1},
		"ends inside a string":            {strings.NewReader(logLine[:len(logLine)-4]), gateway.ErrLogTruncated, 0},
		"cut inside a message":            {io.MultiReader(strings.NewReader(logLine+"\n"+`{"na`), cut), gateway.ErrConnectionLost, 1},
		"cut between messages":            {io.MultiReader(strings.NewReader(logLine+"\n"), cut), gateway.ErrConnectionLost, 1},
		"cut after messages on one line":  {io.MultiReader(strings.NewReader(logLine+logLine+"\n"), cut), gateway.ErrConnectionLost, 2},
		"page":                            {strings.NewReader("<html>\n"), nil, 0},
		"list":                            {strings.NewReader("[1,2]\n"), nil, 0},
		"number":                          {strings.NewReader("1\n"), nil, 0},
		"null":                            {strings.NewReader("null\n"), nil, 0},
		"object of something else":        {strings.NewReader(`{"error":"x"}` + "\n"), nil, 0},
		"text of another type":            {strings.NewReader(`{"text":1}` + "\n"), nil, 0},
		"raw control character in string": {strings.NewReader(strings.ReplaceAll(logLine, "hello", "a\x01b") + "\n"), nil, 0},
		"time that is none":               {strings.NewReader(strings.ReplaceAll(logLine, "2026", "noon") + "\n"), nil, 0},
		"fraction that is none":           {strings.NewReader(logLine + "\n" + strings.ReplaceAll(logLine, ".678Z", ".Z") + "\n"), nil, 1},
		"fraction with a letter":          {strings.NewReader(logLine + "\n" + strings.ReplaceAll(logLine, ".678Z", ".6x8Z") + "\n"), nil, 1},
		"message without end":             {io.MultiReader(strings.NewReader(`{"name":"`), endless{}), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			messages, _, err := decodeAll(tt.stream)
			if len(messages) != tt.messages || err == nil || err == io.EOF || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%d messages, error %v; want %d, %v", len(messages), err, tt.messages, tt.is)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

func FuzzLogDecoder(f *testing.F) {
	f.Add([]byte(logLine + "\n" + logLine))
	f.Add([]byte(strings.ReplaceAll(logLine, ".678Z", ".6Z") + "\n" + logLine + "\n" + inTurn("a", "", "b")))
	f.Add([]byte(`{"name":"a\u12","text":"` + "\xff"))
	f.Add([]byte(strings.ReplaceAll(logLine, "hello", `\u003c größe € 😀 \ud7ff\ud83d\ude00`) + "\n" + logLine + "\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, lines, err := decodeAll(bytes.NewReader(stream))
		if asJSON, jsonErr := linesOf(bytes.NewReader(stream)); !slices.Equal(asJSON, lines) || fmt.Sprint(jsonErr) != fmt.Sprint(err) {
			t.Fatalf("read as JSON: %q, %v; with texts %q, %v", asJSON, jsonErr, lines, err)
		}
		dec := json.NewDecoder(bytes.NewReader(stream))
		for i, m := range got {
			var want schema.LogMessage
			if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(m, want) {
				t.Fatalf("message %d: %+v, encoding/json has %+v, %v", i, m, want, err)
			}
			if !json.Valid([]byte(lines[i])) {
				t.Fatalf("message %d printed as %q", i, lines[i])
			}
		}
	})
}

func BenchmarkLogDecoder(b *testing.B) {
	text := `GET /orders/17 200 took 12 ms "quoted value" user=alice \u003cb\u003ebold\u003c/b\u003e größe=42 cache miss`
	text = strings.ReplaceAll(text, `"`, `\"`)
	line, err := json.Marshal(schema.LogMessage{Name: "fn", Namespace: "openfaas-fn", Instance: "fn-7c9d8-1", Timestamp: time.Unix(1e9, 1731).UTC(), Text: "x"})
	if err != nil {
		b.Fatal(err)
	}
	stream := bytes.Repeat(append(bytes.Replace(line, []byte(`"x"`), []byte(`"`+text+`\n"`), 1), '\n'), 10_000)
	for name, how := range map[string]gateway.LogReading{"texts": {}, "json": {JSON: true}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				log := gateway.NewLogStream(io.NopCloser(bytes.NewReader(stream)), how)
				var rec gateway.LogRecord
				var err error
				for n := 0; err == nil; n++ {
					if err = log.Next(&rec); err != nil && (n != 10_000 || err != io.EOF) {
						b.Fatal(n, err)
					}
				}
				_ = log.Close() // of nothing
			}
		})
	}
}
