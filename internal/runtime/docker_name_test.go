//go:build docker

package runtime

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

func TestDockerLeavesForeignContainersAlone(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	image := enginetest.Name("faas-cli-test/function") + ":1"
	enginetest.FunctionImage(t, c, image)
	d := NewDocker(t.Context(), DockerOptions{Engine: c, Instance: enginetest.Name("t"), Dir: filepath.Join(t.TempDir(), "docker")})
	t.Cleanup(func() {
		if err := d.Purge(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	function := enginetest.Name("fn")
	d.newID = func() string { return "0000000000" }
	foreign, err := c.CreateContainer(t.Context(), engine.ContainerSpec{
		Name: function + ".openfaas-fn.0000000000", Image: image, Labels: map[string]string{enginetest.Label: t.Name()},
	})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveContainer(t, c, foreign)
	if err := c.StartContainer(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	_, err = d.Start(t.Context(), Spec{Ref: Ref{Name: function, Namespace: "openfaas-fn"}, Image: image})
	if err == nil || !strings.Contains(err.Error(), function) || !strings.Contains(err.Error(), "not ours") {
		t.Errorf("error %v", err)
	}
	if f, err := c.Container(t.Context(), foreign); err != nil || !f.Running() {
		t.Errorf("the foreign container: %s, %v", f.State, err)
	}
}

func TestDockerRefusesForeignNetwork(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	d := NewDocker(t.Context(), DockerOptions{Engine: c, Instance: enginetest.Name("t"), Dir: filepath.Join(t.TempDir(), "docker")})
	n, err := c.CreateNetwork(t.Context(), d.networkName(), netip.Prefix{}, map[string]string{enginetest.Label: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveNetwork(t, c, n.ID)
	if _, err := d.ensureNetwork(t.Context()); err == nil || !strings.Contains(err.Error(), d.networkName()) {
		t.Errorf("error %v", err)
	}
	if err := d.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Network(t.Context(), n.ID); err != nil {
		t.Errorf("the foreign network is gone: %v", err)
	}
}
