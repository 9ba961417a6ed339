package builder

import (
	"bytes"
	"strings"
	"sync"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// engineEvents turns the engine's events into ours: raw output into lines.
type engineEvents struct {
	function string
	on       func(Event)

	mu   sync.Mutex
	open map[string][]byte // output of a step that does not end a line yet
}

func (t *engineEvents) event(e engine.Event) {
	switch e.State {
	case engine.StepStarted:
		t.tell(EventStep, stepName(e.Name))
	case engine.StepCached:
		t.tell(EventStep, stepName(e.Name)+" (cached)")
	case engine.StepWarning:
		t.tell(EventWarning, e.Text)
	case engine.StepProgress:
		t.on(Event{Function: t.function, Kind: EventProgress, Done: e.Current, Total: e.Total})
	case engine.StepLog:
		t.log(e.Step, e.Text)
	case engine.StepDone, engine.StepFailed:
		t.end(e.Step)
	}
}

func (t *engineEvents) tell(kind EventKind, text string) {
	t.on(Event{Function: t.function, Kind: kind, Text: text})
}

// stepName drops the mark of steps that no line of the Dockerfile asked for.
func stepName(name string) string { return strings.TrimPrefix(name, "[internal] ") }

func (t *engineEvents) log(step, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[string][]byte{}
	}
	buf := append(t.open[step], text...)
	for {
		line, rest, found := bytes.Cut(buf, []byte("\n"))
		if !found {
			break
		}
		t.tell(EventLog, strings.TrimSuffix(string(line), "\r"))
		buf = rest
	}
	t.open[step] = buf
}

func (t *engineEvents) end(step string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if rest := t.open[step]; len(rest) > 0 {
		t.tell(EventLog, string(rest))
	}
	delete(t.open, step)
}

func (t *engineEvents) flush() {
	t.mu.Lock()
	steps := make([]string, 0, len(t.open))
	for step := range t.open {
		steps = append(steps, step)
	}
	t.mu.Unlock()
	for _, step := range steps {
		t.end(step)
	}
}
