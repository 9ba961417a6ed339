package gateway

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzStringContent compares both scanners of strings with encoding/json. They
// may refuse what it mends: bytes that are not UTF-8, halves of surrogate pairs.
func FuzzStringContent(f *testing.F) {
	for _, content := range []string{
		"", "plain", `\"\\\/\b\f\n\r\t`, `\u003c\u00E9\ud7ff\ue000`, "größe € ✓ 🚀", "ไทย 한국어 \U0010ffff", `\ud83d\ude00`,
		`"`, `\`, `\x`, `\u00`, `\u00g0`, "a\nb", "\x00", "\x7f\u0080", "\xff", "\xc3", "\xe2\x82", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xc0\x80",
	} {
		f.Add([]byte(content))
	}
	states := newStringStates()
	f.Fuzz(func(t *testing.T, content []byte) {
		quoted := append(append([]byte(`"`), content...), '"')
		var want string
		err := json.Unmarshal(quoted, &want)
		valid := err == nil && utf8.Valid(content)
		if states.whole(content) && !valid {
			t.Errorf("%q passes as a string; encoding/json: %v", content, err)
		}
		text, n := unquote(nil, quoted[1:])
		if n == len(content) && (!valid || string(text) != want) {
			t.Errorf("%q is decoded as %q; encoding/json has %q, %v", content, text, want, err)
		}
	})
}

// TestStringStatesKnowOrdinaryText ensures that what logs consist of takes the
// short way.
func TestStringStatesKnowOrdinaryText(t *testing.T) {
	t.Parallel()
	states := newStringStates()
	for content, want := range map[string]bool{
		"": true, "GET /orders 200": true, `{\"a\":\"b\\n\"}\n`: true, `\/\b\f\r\t`: true, `\u003cb\u003E\u2028\uFFFF`: true,
		"größe € ✓ 中文 日本語 русский العربية 🚀": true,
		"a\"b": false, `\`: false, `\x`: false, `\u12`: false, `\u12g4`: false, "tab\t": false, "\xff": false, "cut \xe2\x82": false, "\xf0\x80\x80\x80": false,
	} {
		if got := states.whole([]byte(content)); got != want {
			t.Errorf("%q: %v; want %v", content, got, want)
		}
	}
}
