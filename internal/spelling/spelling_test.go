package spelling

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"watch", "wait", "gateway", "no-cache", "q"}
	for s, want := range map[string]string{
		"wacth":    "watch",
		"Watch":    "watch",
		"wach":     "watch",
		"watches":  "watch",
		"gatway":   "gateway",
		"nocache":  "no-cache",
		"gate":     "",
		"x":        "", // any letter is as close
		"":         "",
		"registry": "",
	} {
		if got := Nearest(s, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}
