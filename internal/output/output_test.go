package output

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

type row struct {
	Name  string   `json:"name"`
	Image string   `json:"image,omitempty"`
	Tags  []string `json:"tags"`
}

func printer(f Format) Printer[row] {
	return Printer[row]{Format: f, Name: func(r row) string { return r.Name },
		Columns: []Column[row]{
			{Header: "Name", Value: func(r row) string { return r.Name }},
			{Header: "Image", Wide: true, Value: func(r row) string { return r.Image }},
		}}
}

func TestPrinterList(t *testing.T) {
	t.Parallel()
	rows := []row{{Name: "ä", Image: "me/a:1", Tags: []string{"true"}}, {Name: "long-name", Image: "me/<b>"}}
	tests := []struct {
		format Format
		rows   []row
		want   string
	}{
		{Table, rows, "Name\nä\nlong-name\n"},
		{Table, nil, "Name\n"},
		{Wide, rows, "Name       Image\nä          me/a:1\nlong-name  me/<b>\n"},
		{Name, rows, "ä\nlong-name\n"},
		{Name, nil, ""},
		{JSON, nil, "[]\n"},
		{YAML, nil, "[]\n"},
		{JSON, rows[1:], "[\n  {\n    \"name\": \"long-name\",\n    \"image\": \"me/<b>\",\n    \"tags\": null\n  }\n]\n"},
		{YAML, rows[:1], "- name: ä\n  image: me/a:1\n  tags:\n    - \"true\"\n"},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		if err := printer(tt.format).List(&b, tt.rows); err != nil {
			t.Errorf("%s: %v", tt.format, err)
		}
		if b.String() != tt.want {
			t.Errorf("%s of %d rows:\n%q\nwant\n%q", tt.format, len(tt.rows), b.String(), tt.want)
		}
	}
}

// TestJSONDoesNotSteerTerminals ensures that text of a server can be printed
// as JSON, and is the same for whoever reads it.
func TestJSONDoesNotSteerTerminals(t *testing.T) {
	t.Parallel()
	in := row{Name: "a\x1b[2J\u009b2J\x7f\u202eb", Image: "größe 😀\u2028"}
	var b bytes.Buffer
	if err := WriteJSON(&b, in); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			t.Errorf("%q has %U in it", b.String(), r)
		}
	}
	if !strings.Contains(b.String(), "größe 😀") {
		t.Errorf("%s: what is harmless was escaped", b.String())
	}
	var got row
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got.Name != in.Name || got.Image != in.Image {
		t.Errorf("read back %+v, %v", got, err)
	}
}
