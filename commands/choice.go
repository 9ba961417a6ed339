package commands

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// choice is the value of a flag that takes one of several words, in any letter
// case.
type choice[T ~string] struct {
	value *T
	words []T
}

// choiceVar adds a flag that takes one of words. Its default is what value
// holds or, where that is nothing, the first of them. They are added to usage,
// which names the value in backquotes.
func choiceVar[T ~string](f *pflag.FlagSet, value *T, name, shorthand, usage string, words ...T) {
	if *value == "" {
		*value = words[0]
	}
	c := choice[T]{value: value, words: words}
	f.VarP(c, name, shorthand, usage+": "+c.list())
}

// list is the words as a sentence has them.
func (c choice[T]) list() string {
	words, last := c.Words(), len(c.words)-1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Words are what completion offers.
func (c choice[T]) Words() []string {
	words := make([]string, len(c.words))
	for i, w := range c.words {
		words[i] = string(w)
	}
	return words
}

func (c choice[T]) String() string { return string(*c.value) }

func (c choice[T]) Set(s string) error {
	v := T(strings.ToLower(s))
	if !slices.Contains(c.words, v) {
		return errors.New("want " + c.list())
	}
	*c.value = v
	return nil
}

// Type is that of the value; usage names it.
func (choice[T]) Type() string { return "string" }

var _ pflag.Value = choice[string]{}
