//go:build docker

package engine_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

func TestDockerBuildScratch(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	name := enginetest.Name("faas-cli-test/scratch") + ":1"
	var events []engine.Event
	id, err := c.Build(t.Context(), engine.Build{
		Context: fstest.MapFS{
			"Dockerfile": {Data: []byte("FROM scratch\nARG A\nLABEL a=$A\nCOPY file /file\n"), Mode: 0o644},
			"file":       {Data: []byte("content"), Mode: 0o644},
		},
		Key: t.Name(), Tags: []string{name}, Args: map[string]string{"A": "b"}, Labels: map[string]string{enginetest.Label: t.Name()},
	}, func(e engine.Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveImage(t, c, name)
	img, err := c.Image(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if img.ID != id || img.Labels["a"] != "b" || img.Labels[enginetest.Label] != t.Name() {
		t.Errorf("image %+v, built %s", img, id)
	}
	var names []string
	for _, e := range events {
		if e.State == engine.StepDone || e.State == engine.StepCached {
			names = append(names, e.Name)
		}
	}
	if all := strings.Join(names, "\n"); !strings.Contains(all, "COPY file /file") {
		t.Errorf("no event says that the COPY step is done:\n%s", all)
	}
}
