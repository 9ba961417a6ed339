package gateway

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

const (
	wordSize  = 8 // bytes that are looked at together
	wordOnes  = 0x0101010101010101
	wordHighs = 0x80 * wordOnes
)

// zeroBytes sets the high bit of each byte of w that is zero. Bits above the
// first such byte may be wrong, so only the lowest one counts.
func zeroBytes(w uint64) uint64 { return (w - wordOnes) &^ w & wordHighs }

// stops is the same for the bytes that are no plain content of a JSON string:
// quotes, backslashes, control characters.
func stops(w uint64) uint64 {
	control := (w - wordOnes*0x20) &^ w & wordHighs
	return control | zeroBytes(w^(wordOnes*'"')) | zeroBytes(w^(wordOnes*'\\'))
}

// plainPrefix returns how many bytes precede the first quote, backslash or
// control character, and whether these are surely all ASCII.
func plainPrefix(b []byte) (n int, ascii bool) {
	seen := uint64(0)
	for ; n+wordSize <= len(b); n += wordSize {
		w := binary.LittleEndian.Uint64(b[n:])
		seen |= w
		if stop := stops(w); stop != 0 {
			return n + bits.TrailingZeros64(stop)/8, seen&wordHighs == 0
		}
	}
	for ; n < len(b); n++ {
		c := b[n]
		if c < 0x20 || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&wordHighs == 0
}

// stringValue is the content of a JSON string whose opening quote is gone, and
// whether there are escapes in it. It is not ok if the string has no end or
// what only encoding/json makes something of: bytes that are not UTF-8, halves
// of surrogate pairs, mistakes.
func stringValue(b []byte) (value []byte, escaped, ok bool) {
	seen := uint64(0)
	for n := 0; n < len(b); {
		if n+wordSize <= len(b) {
			w := binary.LittleEndian.Uint64(b[n:])
			seen |= w
			stop := stops(w)
			if stop == 0 {
				n += wordSize
				continue
			}
			n += bits.TrailingZeros64(stop) / 8
		}
		switch c := b[n]; {
		case c == '"':
			return b[:n], escaped, seen&wordHighs == 0 || utf8.Valid(b[:n])
		case c == '\\':
			_, length := escape(b[n+1:])
			if length == 0 {
				return nil, false, false
			}
			escaped = true
			n += 1 + length
		case c < 0x20:
			return nil, false, false
		default:
			seen |= uint64(c)
			n++
		}
	}
	return nil, false, false
}

// appendPlain appends the content of a JSON string that stringValue has checked.
func appendPlain(to, value []byte) []byte {
	to = slices.Grow(to, len(value)+wordSize) // an escape is longer than what it stands for
	end := len(to)
	free := to[:cap(to)]
	for len(value) > 0 {
		if len(value) >= wordSize {
			w := binary.LittleEndian.Uint64(value)
			binary.LittleEndian.PutUint64(free[end:], w)
			n := wordSize
			if slash := zeroBytes(w ^ (wordOnes * '\\')); slash != 0 {
				n = bits.TrailingZeros64(slash) / 8
			}
			end, value = end+n, value[n:]
			if n == wordSize {
				continue
			}
		}
		if value[0] != '\\' {
			free[end] = value[0]
			end, value = end+1, value[1:]
			continue
		}
		r, length := escape(value[1:])
		end += utf8.EncodeRune(free[end:], r)
		value = value[1+length:]
	}
	return free[:end]
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
