package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/term"
)

// Exit codes; 128+n says that signal n ended the command.
const (
	exitFailed = 1
	exitUsage  = 2
	exitAuth   = 4
)

// exitCoder is an error that knows the code to exit with. Its method is not
// exported: *exec.ExitError has an ExitCode too, and the status of a helm or a
// git that failed is not ours.
type exitCoder interface{ exitCode() int }

// hinter is an error that knows what the user can do about it.
type hinter interface{ Hint() string }

// UsageError says that a command line is wrong: a flag, an argument, a name.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// exitCode is 2.
func (e *UsageError) exitCode() int { return exitUsage }

var _ exitCoder = (*UsageError)(nil)

// usagef returns a *UsageError.
func usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// hintError adds advice to an error.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }
func (e *hintError) Hint() string  { return e.hint }

var _ hinter = (*hintError)(nil)

// withHint returns err with advice, one line, printed below it.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{error: err, hint: fmt.Sprintf(format, args...)}
}

// exitError ends the process with a code of its own and no message, as when a
// plugin or a container that said what it had to say has failed.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }
func (e *exitError) exitCode() int { return e.code }

var _ exitCoder = (*exitError)(nil)

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

// Signalled returns the cause with which a signal cancels the context of Main.
func Signalled(s os.Signal) error { return signalError{signal: s} }

func (e signalError) Error() string {
	if e.signal == os.Interrupt {
		return "interrupted"
	}
	return "ended by signal: " + e.signal.String()
}

// exitCode is 128 plus the number of the signal.
func (e signalError) exitCode() int {
	if s, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return exitFailed
}

var _ exitCoder = signalError{}

// interrupted says whether a signal ended ctx. Commands whose normal end is
// Ctrl-C return nil then.
func interrupted(ctx context.Context) bool {
	var s signalError
	return errors.As(context.Cause(ctx), &s)
}

// exitCode maps an error to the code of the process.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var coder exitCoder
	if errors.As(err, &coder) {
		return coder.exitCode()
	}
	var name *gateway.NameError
	switch {
	case errors.As(err, &name):
		return exitUsage // names of a stack file are checked when it is read
	case isUnauthorized(err):
		return exitAuth
	}
	return exitFailed
}

// report prints err and the advice for it on stderr. Joined errors are printed
// one by one, in their order. path is the command's path, such as "faas-cli
// secret create".
func (e *Env) report(err error, path string) {
	var silent *exitError
	if errors.As(err, &silent) {
		return
	}
	hints := map[string]bool{}
	for _, one := range flatten(err) {
		e.Term.ErrLabel(term.Red, "error:", strings.TrimRight(one.Error(), "\n"))
		h := hint(one, path)
		if h == loginHint {
			h = cmp.Or(e.savedTokenHint(one), h)
		}
		if h != "" && !hints[h] {
			hints[h] = true
			e.Term.ErrLabel(term.Cyan, "hint:", h)
		}
	}
}

// flatten returns the errors that were joined in err, or err itself. Only
// joins at the top are opened: what wraps a join has its own text.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only the top is meant
	if !ok || !isJoin(err) {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// isJoin tells errors.Join, whose text is that of its parts, from an Errorf
// with several %w, whose text is its own.
func isJoin(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only the top is meant
	if !ok {
		return false
	}
	var parts []string
	for _, e := range joined.Unwrap() {
		parts = append(parts, e.Error())
	}
	return err.Error() == strings.Join(parts, "\n")
}
