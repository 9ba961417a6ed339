// Package value parses the texts of stack files that have a form of their own:
// quantities, durations, schedules, label keys, image references, platforms.
// Its functions are pure; what they refuse, the reader of the value would.
package value

import (
	"fmt"
	"math"
	"math/big"
	"strings"
)

// suffix is a multiplier of a quantity, as Kubernetes spells it.
type suffix struct {
	text string
	base int64 // 2: power of 1024, 10: power of 1000
	exp  int64
}

func suffixes() []suffix {
	return []suffix{
		{"Ki", 2, 1}, {"Mi", 2, 2}, {"Gi", 2, 3}, {"Ti", 2, 4}, {"Pi", 2, 5}, {"Ei", 2, 6},
		{"k", 10, 1}, {"M", 10, 2}, {"G", 10, 3}, {"T", 10, 4}, {"P", 10, 5}, {"E", 10, 6},
	}
}

// Memory reads an amount of memory in bytes: a number, whole or decimal, and
// one of the suffixes Ki to Ei (powers of 1024) or k to E (of 1000). A part of
// a byte is rounded to the nearest.
func Memory(s string) (int64, error) {
	r, err := MemoryExact(s)
	if err != nil {
		return 0, err
	}
	twice := new(big.Rat).Add(r, big.NewRat(1, 2))
	n := new(big.Int).Quo(twice.Num(), twice.Denom())
	if !n.IsInt64() {
		return 0, fmt.Errorf("invalid memory value %q: it is more than %d bytes", s, int64(math.MaxInt64))
	}
	return n.Int64(), nil
}

// MemoryExact is Memory before rounding.
func MemoryExact(s string) (*big.Rat, error) {
	number, factor := s, big.NewRat(1, 1)
	for _, x := range suffixes() {
		if cut, ok := strings.CutSuffix(s, x.text); ok {
			unit := int64(1000)
			if x.base == 2 {
				unit = 1024
			}
			number = cut
			factor.SetInt(new(big.Int).Exp(big.NewInt(unit), big.NewInt(x.exp), nil))
			break
		}
	}
	r, ok := decimal(number)
	if !ok {
		hint := ""
		if cut, isMilli := strings.CutSuffix(s, "m"); isMilli {
			if _, ok := decimal(cut); ok {
				hint = "; m means thousandths of a byte, M is a million bytes"
			}
		}
		return nil, fmt.Errorf("invalid memory value %q: give a number of bytes with an optional suffix of Ki, Mi, Gi, Ti, Pi, Ei, k, M, G, T, P or E%s", s, hint)
	}
	return r.Mul(r, factor), nil
}

// CPU reads a number of CPUs, whole or decimal, or thousandths with the suffix
// m, and returns thousandths, rounded up.
func CPU(s string) (int64, error) {
	r, err := CPUExact(s)
	if err != nil {
		return 0, err
	}
	r.Mul(r, big.NewRat(1000, 1))
	n, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	if !n.IsInt64() {
		return 0, fmt.Errorf("invalid cpu value %q: it is too large", s)
	}
	return n.Int64(), nil
}

// CPUExact is a number of CPUs before rounding.
func CPUExact(s string) (*big.Rat, error) {
	number, milli := strings.CutSuffix(s, "m")
	r, ok := decimal(number)
	if !ok {
		return nil, fmt.Errorf("invalid cpu value %q: give a number of cpus such as \"1\" or \"0.5\", or millicores such as \"500m\"", s)
	}
	if milli {
		r.Quo(r, big.NewRat(1000, 1))
	}
	return r, nil
}

// maxDigits bounds a number's text, far beyond any amount that exists.
const maxDigits = 40

// decimal reads digits with at most one point, without sign or exponent.
func decimal(s string) (*big.Rat, bool) {
	if s == "" || s == "." || len(s) > maxDigits || strings.Trim(s, "0123456789.") != "" || strings.Count(s, ".") > 1 {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// SameMemory tells whether two texts are the same amount of memory. Texts that
// are none are compared as they are.
func SameMemory(a, b string) bool { return same(a, b, MemoryExact) }

// SameCPU tells whether two texts are the same number of CPUs.
func SameCPU(a, b string) bool { return same(a, b, CPUExact) }

func same(a, b string, parse func(string) (*big.Rat, error)) bool {
	if a == b {
		return true
	}
	x, errX := parse(a)
	y, errY := parse(b)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}
