package engine

import (
	"encoding/json"
	"strings"
	"time"

	control "github.com/moby/buildkit/api/services/control"
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
	failed *control.Vertex
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
	var resp control.StatusResponse
	if err := resp.UnmarshalVT(raw); err != nil {
		return err
	}
	for _, v := range resp.Vertexes {
		t.vertex(v)
	}
	for _, s := range resp.Statuses {
		t.on(Event{Step: s.Vertex, Name: s.ID, State: StepProgress, Current: s.Current, Total: s.Total})
	}
	for _, w := range resp.Warnings {
		t.on(Event{Step: w.Vertex, Name: t.names[w.Vertex], State: StepWarning, Text: string(w.Short)})
	}
	for _, l := range resp.Logs {
		t.on(Event{Step: l.Vertex, Name: t.names[l.Vertex], State: StepLog, Text: string(l.Msg)})
	}
	return nil
}

func (t *trace) vertex(v *control.Vertex) {
	t.names[v.Digest] = v.Name
	e := Event{Step: v.Digest, Name: v.Name}
	switch {
	case v.Started == nil && !v.Cached:
		return
	case v.Error != "":
		e.State, e.Text = StepFailed, v.Error
		t.failed = v
	case v.Cached:
		e.State = StepCached
	case v.Completed != nil:
		e.State = StepDone
	default:
		e.State = StepStarted
	}
	if v.Started != nil && v.Completed != nil {
		e.Elapsed = v.Completed.AsTime().Sub(v.Started.AsTime())
	}
	if last, seen := t.last[v.Digest]; seen && last == e.State {
		return
	}
	t.last[v.Digest] = e.State
	t.on(e)
}

// metadataStep is how the Dockerfile frontend names the step that looks a base image up.
const metadataStep = "[internal] load metadata for "

func (t *trace) failure(reason string) *BuildError {
	e := &BuildError{Message: reason}
	if t.failed != nil {
		e.Step = t.failed.Name
		if image, ok := strings.CutPrefix(e.Step, metadataStep); ok {
			e.BaseImage = image
		}
	}
	return e
}
