package builder

// EventKind says what an [Event] tells.
type EventKind string

const (
	// EventStart: work on the function begins. Start and end are told by who
	// runs the engine, since more than a build may be done with a function.
	EventStart EventKind = "start"
	// EventStep: Text names what is being done from now on.
	EventStep EventKind = "step"
	// EventLog: Text is one line of a tool's output, without its line end.
	EventLog EventKind = "log"
	// EventProgress: Done of Total bytes of the current step.
	EventProgress EventKind = "progress"
	// EventWarning: Text is something the user should know.
	EventWarning EventKind = "warning"
	// EventDone: Text says what was done, Result how the build ended.
	EventDone EventKind = "done"
	// EventFailed: Err says why.
	EventFailed EventKind = "failed"
)

// Event is one piece of progress. Events of one function are told in order;
// those of several mix.
type Event struct {
	Function string
	Kind     EventKind
	Text     string
	Done     int64 // bytes
	Total    int64 // bytes; 0: not known
	Result   Result
	Err      error
}
