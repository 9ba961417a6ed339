package commands

import (
	"io"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/progress"
)

// A deployView shows deployments as they go on: a live line for each function
// on a terminal, a line for each event elsewhere.
type deployView struct {
	env  *Env
	live *progress.Display // nil: lines
}

func (e *Env) deployView() *deployView {
	v := &deployView{env: e}
	if e.Term.ErrTTY {
		v.live = progress.New(e.Term, progress.Auto, e.Now)
	}
	return v
}

// close ends the live view, also more than once.
func (v *deployView) close() {
	if v.live != nil {
		v.live.Close()
	}
}

// begin shows that a function's deployment begins. What is said in the
// environment that it returns belongs to that function, step says what it is
// at, and done ends it.
func (v *deployView) begin(function string) (own *Env, step func(text string), done func(error)) {
	if v.live == nil {
		v.env.progressf("Deploying: %s.", function)
		return v.env, func(text string) { v.env.progressf("%s", text) }, func(error) {}
	}
	on := func(kind builder.EventKind, text string, err error) {
		v.live.On(builder.Event{Function: function, Kind: kind, Text: text, Err: err})
	}
	copied := *v.env
	copied.Term = v.live.Terminal(function)
	on(builder.EventStart, "", nil)
	on(builder.EventStep, "deploying", nil)
	return &copied, func(text string) { on(builder.EventStep, text, nil) }, func(err error) {
		if err != nil {
			on(builder.EventFailed, "", err)
			return
		}
		on(builder.EventDone, "deployed", nil)
	}
}

// print writes a result on standard output, beside the live view. A closed pipe
// does not undo what was deployed, so that is no error.
func (v *deployView) print(text string) {
	if v.live != nil {
		v.live.Print(v.env.Term.Out, text)
		return
	}
	_, _ = io.WriteString(v.env.Term.Out, text)
}
