// Package spelling guesses which word a misspelt one was meant to be.
package spelling

import "strings"

// Nearest is the one of words that s was probably meant to be, or "" if none is
// close. words are in lower case; s may not be.
func Nearest(s string, words []string) string {
	if len(s) < 2 {
		return "" // to a single letter every other one is close
	}
	best, most := "", min(3, max(1, len(s)/3)+1)
	for _, w := range words {
		if len(w)-len(s) >= most || len(s)-len(w) >= most {
			continue
		}
		if n := distance(strings.ToLower(s), w); n < most {
			best, most = w, n
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with a
// neighbour to make b of a.
func distance(a, b string) int {
	older, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], older[j-2]+1)
			}
		}
		older, previous, current = previous, current, older
	}
	return previous[len(b)]
}
