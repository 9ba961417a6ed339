package commands

import (
	"testing"

	"github.com/spf13/pflag"
)

func TestChoice(t *testing.T) {
	t.Parallel()
	type color string
	var value color
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	choiceVar(f, &value, "color", "c", "`color` of the line", "red", "green", "blue")
	if value != "red" {
		t.Errorf("the default is %q, want the first word", value)
	}
	if got, want := f.Lookup("color").Usage, "`color` of the line: red, green or blue"; got != want {
		t.Errorf("help says %q, want %q", got, want)
	}
	if err := f.Parse([]string{"-c", "BLUE"}); err != nil || value != "blue" {
		t.Errorf("-c BLUE is %q (%v), want blue", value, err)
	}
	const want = `invalid argument "pink" for "-c, --color" flag: want red, green or blue`
	if err := f.Parse([]string{"--color=pink"}); err == nil || err.Error() != want || value != "blue" {
		t.Errorf("--color=pink makes it %q with %v, want %s", value, err, want)
	}
}
