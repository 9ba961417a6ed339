package gateway

import (
	"encoding/binary"
	"math/bits"
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

// plainContent is the content of a JSON string whose opening quote is gone. It
// is not ok if there are escapes in it, or what unquote does not take.
func plainContent(b []byte) (content []byte, ok bool) {
	n, ascii := plainPrefix(b)
	ok = n < len(b) && b[n] == '"' && (ascii || utf8.Valid(b[:n]))
	return b[:n], ok
}

// stringStates is a state machine that checks the content of a JSON string with
// one load and one shift for each byte and no branch: escapes stand where nothing
// foretells them, so that a branch for each costs more than the bytes between.
// The entry of a byte holds the state that follows each state, in the bits from
// the number of that state on.
//
// There is room for ten states. What they leave out, to be refused here and
// judged by unquote, are rare letters (of three bytes that begin with 0xe0 or
// 0xed, of four that begin with more than 0xf0) and escapes from \ud000 to
// \udfff, half of which are surrogates.
type stringStates [256]uint64

const (
	stateBits    = 6
	stateNumbers = 1<<stateBits - 1
)

// The states, of which refused is never left.
const (
	refused  = iota * stateBits
	inText   // between characters
	inEscape // a backslash was read
	hex4     // so many digits of an escape follow
	hex3
	hex2
	hex1
	rest2 // so many bytes of a letter follow
	rest1
	restOfFour // 0xf0 was read, which not every byte may follow
)

func newStringStates() *stringStates {
	var t stringStates
	on := func(state uint, first, last byte, next uint64) {
		for c := int(first); c <= int(last); c++ {
			t[c] |= next << state
		}
	}
	on(inText, ' ', '"'-1, inText)
	on(inText, '"'+1, '\\'-1, inText)
	on(inText, '\\', '\\', inEscape)
	on(inText, '\\'+1, utf8.RuneSelf-1, inText)
	for _, c := range []byte(`"\/bfnrt`) {
		on(inEscape, c, c, inText)
	}
	on(inEscape, 'u', 'u', hex4)
	for _, c := range []byte("0123456789abcdefABCDEF") {
		if c != 'd' && c != 'D' {
			on(hex4, c, c, hex3)
		}
		on(hex3, c, c, hex2)
		on(hex2, c, c, hex1)
		on(hex1, c, c, inText)
	}
	on(inText, 0xc2, 0xdf, rest1)
	on(inText, 0xe1, 0xec, rest2)
	on(inText, 0xee, 0xef, rest2)
	on(inText, 0xf0, 0xf0, restOfFour)
	on(restOfFour, 0x90, 0xbf, rest2)
	on(rest2, 0x80, 0xbf, rest1)
	on(rest1, 0x80, 0xbf, inText)
	return &t
}

// whole says that content surely is that of a JSON string, from quote to quote.
func (t *stringStates) whole(content []byte) bool {
	state := uint64(inText)
	for len(content) >= wordSize { // eight bytes a turn, as a turn costs as much as they do
		c := (*[wordSize]byte)(content)
		state = t[c[0]] >> (state & stateNumbers)
		state = t[c[1]] >> (state & stateNumbers)
		state = t[c[2]] >> (state & stateNumbers)
		state = t[c[3]] >> (state & stateNumbers)
		state = t[c[4]] >> (state & stateNumbers)
		state = t[c[5]] >> (state & stateNumbers)
		state = t[c[6]] >> (state & stateNumbers)
		state = t[c[7]] >> (state & stateNumbers)
		content = content[wordSize:]
	}
	for _, c := range content {
		state = t[c] >> (state & stateNumbers)
	}
	return state&stateNumbers == inText
}

// unquote decodes the content of a JSON string whose opening quote is gone, in
// place of what is in to. It returns how long the content is, or -1 if it has no
// end or holds what only encoding/json makes anything of: bytes that are not
// UTF-8, halves of surrogate pairs, mistakes.
func unquote(to, b []byte) (text []byte, length int) {
	to = to[:cap(to)]
	end, n := 0, 0
	for n < len(b) {
		if len(to)-end < 2*wordSize {
			to = append(to[:end], make([]byte, max(2*end, 64*wordSize))...)
		}
		if n+wordSize <= len(b) {
			w := binary.LittleEndian.Uint64(b[n:])
			binary.LittleEndian.PutUint64(to[end:], w)
			stop := stops(w) | w&wordHighs
			if stop == 0 {
				n, end = n+wordSize, end+wordSize
				continue
			}
			skip := bits.TrailingZeros64(stop) / 8
			n, end = n+skip, end+skip
		}
		switch c := b[n]; {
		case c == '"':
			return to[:end], n
		case c == '\\':
			r, size := escape(b[n+1:])
			if size == 0 {
				return to[:0], -1
			}
			n += 1 + size
			end += utf8.EncodeRune(to[end:], r)
		case c < 0x20:
			return to[:0], -1
		case c < utf8.RuneSelf:
			to[end] = c
			n, end = n+1, end+1
		default:
			r, size := utf8.DecodeRune(b[n:])
			if r == utf8.RuneError && size == 1 {
				return to[:0], -1
			}
			end += copy(to[end:], b[n:n+size])
			n += size
		}
	}
	return to[:0], -1
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
