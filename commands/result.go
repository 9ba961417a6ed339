package commands

import (
	"github.com/faas-cli/faas-cli/internal/output"
)

// printResult states what a command has done: in a line for people, as v or
// under its name for programs.
func printResult[T any](env *Env, f formatFlags, v T, name, line string) error {
	if f.table() {
		return env.resultf("%s", line)
	}
	return output.Printer[T]{Format: f.format(), Name: func(T) string { return name }}.One(env.Term.Out, v)
}

// What became of something that a command was to change.
const (
	outcomeCreated = "created"
	outcomeUpdated = "updated"
	outcomeRemoved = "removed"
	outcomeAbsent  = "absent" // it was to be removed, and was not there
	outcomeFailed  = "failed"
)

// change is what a command did to one function, secret or namespace.
type change struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Outcome   string `json:"outcome"`
	Status    int    `json:"status,omitempty"` // of the accepted request, where it tells something
	Error     string `json:"error,omitempty"`
}

// failed notes that err came of it instead.
func (c change) failed(err error) change {
	c.Outcome, c.Status, c.Error = outcomeFailed, 0, err.Error()
	return c
}

// printChanges prints the outcomes for programs. People have seen each line
// already.
func printChanges(env *Env, f formatFlags, changes []change) error {
	if f.table() {
		return nil
	}
	return output.Printer[change]{Format: f.format(), Name: func(c change) string { return c.Name }}.List(env.Term.Out, changes)
}
