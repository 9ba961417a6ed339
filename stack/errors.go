package stack

import (
	"errors"
	"fmt"
)

// ErrNoMatch says that a selector was given and no function fits it.
var ErrNoMatch = errors.New("no function of the stack file matches")

// ErrSeveralTargets is the error of more than one file for a new function.
var ErrSeveralTargets = errors.New("give one file to write the function to, with -f or --append")

// ErrNoImage says that a function has no image to build, push or deploy.
var ErrNoImage = errors.New("no image is given")

// Position is a place in a file.
type Position struct {
	File   string // as given to Load
	Line   int    // from 1; 0: unknown
	Column int    // from 1, in characters; 0: unknown
}

// String is FILE:LINE:COLUMN, without the parts that are unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// SyntaxError is something in a stack file that cannot be understood.
type SyntaxError struct {
	Position
	Rule    string // stable name, such as "syntax"
	Message string // what is wrong, with the path of the value where there is one
	Advice  string // what to do, in one line; empty: what is right for all errors of the rule
}

// Error begins with the position, as compilers and editors write it.
func (e *SyntaxError) Error() string { return e.Position.String() + ": " + e.Message }

// Hint says in one line what to do; it may be empty.
func (e *SyntaxError) Hint() string { return first(e.Advice, adviceFor(e.Rule)) }

// Warning is something in a stack file that is probably not meant, but is
// understood.
type Warning struct {
	Position
	Rule    string // stable name, such as "unknown-key"
	Message string
}

// String is FILE:LINE:COLUMN: MESSAGE.
func (w Warning) String() string { return w.Position.String() + ": " + w.Message }

// Rules of the errors and warnings that Load gives.
const (
	RuleSyntax        = "syntax"         // not YAML, or not UTF-8
	RuleVariable      = "variable"       // a malformed ${…}
	RuleSchema        = "schema"         // a value of the wrong type
	RuleName          = "name"           // a function name that is no DNS label
	RuleDuplicate     = "duplicate-key"  // a key that stands twice in a mapping
	RuleUnknownKey    = "unknown-key"    // a key that has no meaning
	RuleUnsetVariable = "unset-variable" // a ${VARIABLE} without value and default counts as empty
	RuleRemoteVars    = "remote-variables"
	RulePlainHTTP     = "plain-http" // a stack file fetched without encryption
	RuleBadValue      = "bad-value"  // a quantity, schedule, … that its reader will not understand
)
