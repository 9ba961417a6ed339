package output

import (
	"bytes"
	"testing"
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

func TestFormatSetRefusesUnknown(t *testing.T) {
	t.Parallel()
	f := Table
	if err := f.Set("XML"); err == nil {
		t.Error("xml was accepted")
	}
	if err := f.Set("JSON"); err != nil || f != JSON {
		t.Errorf("JSON in capitals: %v, %v", f, err)
	}
}
