//go:build docker

package engine_test

import (
	"sync"
	"testing"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// TestDockerDaemonStopsInTheMiddleOfABuild stops a real engine; TestDockerEngineStopsInTheMiddleOfABuild only cuts the
// connection, which takes no root.
func TestDockerDaemonStopsInTheMiddleOfABuild(t *testing.T) {
	t.Parallel()
	d := enginetest.NewDaemon(t)
	c := d.Connect(t)
	b := request(t, c, files(t, "FROM scratch\nCOPY function /function\nRUN [\"/function\", \"wait\", \""+enginetest.Name("mark")+"\"]\n"))
	b.Network = "none" // an engine without the default bridge has no other
	var stop sync.Once
	stopped := make(chan struct{})
	_, err := c.Build(t.Context(), b, func(e engine.Event) {
		if e.State == engine.StepLog {
			stop.Do(func() {
				go func() {
					defer close(stopped)
					d.Stop()
				}()
			})
		}
	})
	if err == nil {
		t.Fatal("a build ended well without its engine")
	}
	select {
	case <-stopped:
	case <-t.Context().Done():
		t.Fatal("the build ended before the engine did: ", err)
	}
	if _, err := c.Build(t.Context(), b, nil); !engine.IsUnavailable(err) {
		t.Errorf("a build without engine: %v", err)
	}
	d.Start(t)
	if _, err := c.Build(t.Context(), request(t, c, files(t, "FROM scratch\nCOPY Dockerfile /\n")), nil); err != nil {
		t.Errorf("a build with the engine back: %v", err)
	}
}
