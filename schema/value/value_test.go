package value

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "128Mi": 128 << 20, "1.5Ki": 1536, "1k": 1000, "0.5k": 500, "1.4": 1, "1.5": 2, "2Ei": 2 << 60, "3Gi": 3 << 30, "3Ti": 3 << 40, "3Pi": 3 << 50, "3M": 3e6, "3G": 3e9, "3T": 3e12, "3P": 3e15, "9E": 9e18, ".5Ki": 512, "5.": 5,
	} {
		if got, err := Memory(s); got != want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "Mi", "64Q", "-1", "+1", "NaN", "Inf", "1e3", "1_000", "0x10", "8Ei", "1 Mi", "1.2.3", "64mi", strings.Repeat("9", 50)} {
		if got, err := Memory(s); err == nil {
			t.Errorf("%q is accepted as %d", s, got)
		}
	}
	if _, err := Memory("64m"); err == nil || !strings.Contains(err.Error(), "thousandths") {
		t.Errorf("64m: %v", err)
	}
}

func TestCPU(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"1": 1000, "0.5": 500, "100m": 100, "0.0001": 1, "1.5m": 2, "0": 0} {
		if got, err := CPU(s); got != want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "m", "x", "-1", "1Gi", "100 m", "1e3"} {
		if _, err := CPU(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestSameAmounts(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"1Gi", "1024Mi"}, {"1k", "1000"}, {"0.5Ki", "512"}, {"x", "x"}} {
		if !SameMemory(pair[0], pair[1]) {
			t.Errorf("%v differ", pair)
		}
	}
	if SameMemory("1M", "1Mi") || SameMemory("x", "y") || SameMemory("", "0") {
		t.Error("different amounts are the same")
	}
	if !SameCPU("0.5", "500m") || !SameCPU("1.0", "1") || SameCPU("1", "1m") {
		t.Error("SameCPU")
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	if d, err := Duration("1m30s"); d != 90*time.Second || err != nil {
		t.Errorf("got %v, %v", d, err)
	}
	for _, s := range []string{"", "10", "-1s", "1 m", "1d"} {
		if _, err := Duration(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"* * * * *", "*/5 0 1,2 * MON-FRI", "0 1 * * *; 0 2 * * *"} {
		if err := Schedule(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "* * * *", "* * * * * *", "61 * * * *", "* * * * *;"} {
		if Schedule(s) == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestKeysAndLabelValues(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", "A.b_c-d", "com.openfaas.scale.min", "example.com/a", strings.Repeat("a", 63)} {
		if err := Key(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "-a", "a.", "a/", "/a", "A.com/b", "a b", "a/b/c", strings.Repeat("a", 64), "é"} {
		if Key(s) == nil {
			t.Errorf("key %q is accepted", s)
		}
	}
	if LabelValue("") != nil || LabelValue("v1.0_x") != nil || LabelValue("a b") == nil || LabelValue(strings.Repeat("a", 64)) == nil {
		t.Error("label values")
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"fn", "fn:1.0", "acme/fn", "ghcr.io/acme/fn:latest", "localhost:5000/a/b__c--d:x", "reg:5000/x",
		"a/b@sha256:" + strings.Repeat("a", 64), "a/b:1@sha256:" + strings.Repeat("0", 64), "127.0.0.1:5000/x",
	} {
		if err := Image(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{
		"", ":latest", "Acme", "acme/Fn", "a//b", "a/b:", "a/b:-x", "a/b:" + strings.Repeat("x", 129), "a/b@sha256:xyz", "a/b:x/y!", "a..b", "a/_b", "a b",
		"reg:port/x", "a/b:latest-fatal: not a git repository", "https://x/y", "a___b",
	} {
		if Image(s) == nil {
			t.Errorf("image %q is accepted", s)
		}
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	if got, err := Platforms("linux/amd64, linux/arm/v7"); err != nil || len(got) != 2 || got[1] != "linux/arm/v7" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "linux", "linux/", "linux/amd64,", "a/b/c/d", "Linux/AMD64"} {
		if _, err := Platforms(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"128Mi", "1.5", "500m", "0.1Ei", "9223372036854775807", "9223372036854775807.5", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		exact, err := MemoryExact(s)
		n, errN := Memory(s)
		if err != nil {
			if errN == nil {
				t.Fatalf("%q: rounded %d, exact: %v", s, n, err)
			}
		} else if errN == nil {
			off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(n))
			if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
				t.Fatalf("%q: %d is off by %v", s, n, off)
			}
		}
		if m, err := CPU(s); err == nil && m < 0 {
			t.Fatalf("%q: %d", s, m)
		}
	})
}
