package commands

import (
	"strings"

	"github.com/spf13/pflag"
)

// listValue is the value of a flag that may be given several times, each time
// with one more string, taken as it is.
//
// It stands in for pflag's stringArray, which makes a CSV writer with a buffer of
// 4 KiB for every flag that is registered: a tenth of what a start allocates.
type listValue []string

// listVar adds a flag that appends to value.
func listVar(f *pflag.FlagSet, value *[]string, name, shorthand, usage string) {
	f.VarP((*listValue)(value), name, shorthand, usage)
}

func (v *listValue) String() string { return strings.Join(*v, ",") }

// Type is pflag's, from which completion takes that the flag may come again.
func (v *listValue) Type() string { return "stringArray" }

func (v *listValue) Set(s string) error {
	*v = append(*v, s)
	return nil
}

var _ pflag.Value = (*listValue)(nil)
