package gateway

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// stringValue is the content of a JSON string whose opening quote is gone, and
// whether there are escapes in it. It is not ok if the string has no end or
// what only encoding/json makes something of: bytes that are not UTF-8, halves
// of surrogate pairs, mistakes.
func stringValue(b []byte) (value []byte, escaped, ok bool) {
	n, ascii := plainPrefix(b)
	for n < len(b) && b[n] == '\\' {
		_, length := escape(b[n+1:])
		if length == 0 {
			return nil, false, false
		}
		n += 1 + length
		more, a := plainPrefix(b[n:])
		n += more
		escaped, ascii = true, ascii && a
	}
	if n == len(b) || b[n] != '"' {
		return nil, false, false
	}
	return b[:n], escaped, ascii || utf8.Valid(b[:n])
}

// appendPlain appends the content of a JSON string that stringValue has checked.
func appendPlain(to, value []byte) []byte {
	for {
		i := bytes.IndexByte(value, '\\')
		if i < 0 {
			return append(to, value...)
		}
		to = append(to, value[:i]...)
		r, length := escape(value[i+1:])
		if r < utf8.RuneSelf {
			to = append(to, byte(r))
		} else {
			to = utf8.AppendRune(to, r)
		}
		value = value[i+1+length:]
	}
}

// escape reads an escape whose backslash is gone: the character, and how many
// bytes it takes, 0 for one that is wrong or half of a surrogate pair.
func escape(b []byte) (r rune, length int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch c := b[0]; c {
	case '"', '\\', '/':
		return rune(c), 1
	case 'n':
		return '\n', 1
	case 't':
		return '\t', 1
	case 'r':
		return '\r', 1
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	}
	return unicodeEscape(b)
}

func unicodeEscape(b []byte) (r rune, length int) {
	const full = len("u003c")
	if len(b) < full || b[0] != 'u' {
		return 0, 0
	}
	for _, h := range b[1:full] {
		switch {
		case '0' <= h && h <= '9':
			h -= '0'
		case 'a' <= h && h <= 'f':
			h -= 'a' - 10
		case 'A' <= h && h <= 'F':
			h -= 'A' - 10
		default:
			return 0, 0
		}
		r = r<<4 | rune(h)
	}
	if !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, full
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
