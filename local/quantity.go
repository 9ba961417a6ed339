package local

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// bytesOf reads a Kubernetes quantity of memory: a decimal number and a suffix, bytes without one. Empty is 0: no limit.
func bytesOf(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	number := strings.TrimRight(s, "kKMGTPEi")
	factor, ok := memorySuffix(s[len(number):])
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n >= 0 && n*factor <= math.MaxInt64) { // so that NaN is none either
		return 0, fmt.Errorf("memory %q is no quantity such as 128Mi", s)
	}
	return int64(math.Ceil(n * factor)), nil
}

func memorySuffix(s string) (factor float64, ok bool) {
	if s == "" {
		return 1, true
	}
	base := 1000.0
	power := strings.IndexByte("kMGTPE", s[0]) + 1
	switch {
	case len(s) == 2 && s[1] == 'i':
		base = 1024
		power = strings.IndexByte("KMGTPE", s[0]) + 1
	case len(s) != 1:
		return 0, false
	}
	return math.Pow(base, float64(power)), power > 0
}

// milliOf reads a Kubernetes quantity of CPU: cores as a decimal number, or thousandths of one with the suffix m. Empty
// is 0: no limit.
func milliOf(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	number, milli := strings.CutSuffix(s, "m")
	n, err := strconv.ParseFloat(number, 64)
	if !milli {
		n *= 1000
	}
	if err != nil || !(n >= 0 && n <= math.MaxInt32) { // so that NaN is none either
		return 0, fmt.Errorf("cpu %q is no quantity such as 500m or 0.5", s)
	}
	return int64(math.Ceil(n)), nil
}
