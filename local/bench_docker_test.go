//go:build docker && unix

package local

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

// BenchmarkDockerUpdate updates a function whose image is in the engine, beside the function's own start: a container
// that the engine is asked for until it answers.
func BenchmarkDockerUpdate(b *testing.B) {
	p, image := dockerPlatform(b, func() *engine.Client { return enginetest.Connect(b) })
	n := 0
	deploy := func(method string) {
		n++
		p.want(http.StatusAccepted, method, "/system/functions", containerOf(image, "VERSION", strconv.Itoa(n)))
	}
	deploy(http.MethodPost)
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			deploy(http.MethodPut)
		}
	})
	b.Run("start", func(b *testing.B) {
		c := enginetest.Connect(b)
		for b.Loop() {
			id, err := c.CreateContainer(b.Context(), engine.ContainerSpec{Image: image})
			if err != nil {
				b.Fatal(err)
			}
			enginetest.RemoveContainer(b, c, id)
			if err := c.StartContainer(b.Context(), id); err != nil {
				b.Fatal(err)
			}
			found, err := c.Container(b.Context(), id)
			if err != nil {
				b.Fatal(err)
			}
			for address := found.Addresses["bridge"].String() + ":8080"; runtime.Probe(b.Context(), http.DefaultClient, address, runtime.HealthPath) != nil; {
				time.Sleep(time.Millisecond)
			}
		}
	})
}
