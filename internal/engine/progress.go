package engine

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// State says what an [Event] is about.
type State int

// A step starts, reports and logs any number of times, and ends as cached, done or failed.
const (
	StepStarted  State = iota
	StepProgress       // Current and Total, in bytes
	StepLog            // Text is raw output: any bytes, not always whole lines
	StepWarning        // Text
	StepCached
	StepDone
	StepFailed // Text is the reason
)

// An Event is one piece of progress of a build, push, pull or load.
type Event struct {
	Step           string // opaque identity of the step or layer
	Name           string // what the step does, for people; also the layer's short ID
	State          State
	Text           string
	Current, Total int64         // bytes; Total is 0 if unknown
	Elapsed        time.Duration // of the step, when it ends
}

// message is a line of the engine's progress streams.
// Source of truth: pkg/jsonmessage of moby/moby.
type message struct {
	ID          string          `json:"id"`
	Status      string          `json:"status"`
	Stream      string          `json:"stream"`
	Aux         json.RawMessage `json:"aux"`
	ErrorDetail *struct {
		Message string `json:"message"`
	} `json:"errorDetail"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
}

// trace turns BuildKit's status updates, which repeat themselves, into events.
type trace struct {
	on     func(Event)
	last   map[string]State // by vertex digest
	names  map[string]string
	failed string // name of the step that failed last
}

func newTrace(on func(Event)) *trace {
	if on == nil {
		on = func(Event) {}
	}
	return &trace{on: on, last: map[string]State{}, names: map[string]string{}}
}

// status reads one update: a protobuf message in a base64 string.
func (t *trace) status(aux json.RawMessage) error {
	var raw []byte
	if err := json.Unmarshal(aux, &raw); err != nil {
		return err
	}
	u, err := parseStatus(raw)
	if err != nil {
		return err
	}
	for _, v := range u.vertexes {
		t.vertex(v)
	}
	for _, e := range u.progress {
		t.on(e)
	}
	for _, e := range slices.Concat(u.warnings, u.logs) {
		e.Name = t.names[e.Step]
		t.on(e)
	}
	return nil
}

func (t *trace) vertex(v vertex) {
	t.names[v.digest] = v.name
	e := Event{Step: v.digest, Name: v.name}
	switch {
	case v.started.IsZero() && !v.cached:
		return
	case v.err != "":
		e.State, e.Text = StepFailed, v.err
		t.failed = v.name
	case v.cached:
		e.State = StepCached
	case !v.completed.IsZero():
		e.State = StepDone
	default:
		e.State = StepStarted
	}
	if !v.started.IsZero() && !v.completed.IsZero() {
		e.Elapsed = v.completed.Sub(v.started)
	}
	if last, seen := t.last[v.digest]; seen && last == e.State {
		return
	}
	t.last[v.digest] = e.State
	t.on(e)
}

// metadataStep is how the Dockerfile frontend names the step that looks a base image up.
const metadataStep = "[internal] load metadata for "

func (t *trace) failure(reason string) *BuildError {
	e := &BuildError{Message: reason, Step: t.failed}
	if image, ok := strings.CutPrefix(t.failed, metadataStep); ok {
		e.BaseImage = image
	}
	return e
}
