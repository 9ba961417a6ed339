//go:build docker

package builder

import (
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// TestDockerBuildsOnDebian builds as most templates do: on a base with a shell, in steps that run programs, and runs the
// result. The base is made by scripts/debian-base.sh, for nothing can be pulled.
func TestDockerBuildsOnDebian(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	base := enginetest.Debian(t, c)
	p := newProject(t, map[string]string{
		"template/tpl/Dockerfile": "FROM " + base + `
ARG ADDITIONAL_PACKAGE
RUN useradd --system app && python3 -c 'print("packages: '"${ADDITIONAL_PACKAGE}"'")' > /built
COPY function /home/app
USER app
CMD ["python3", "/home/app/handler.py"]
`,
		"fn/handler.py": "import getpass\nprint(getpass.getuser(), open('/built').read().strip(), flush=True)\n",
	})
	d := newDocker(t, p)
	req := dockerRequest(t, d, p.mustPrepare(t), OutputEngine)
	req.Args = map[string]string{AdditionalPackage: "curl"}
	if _, err := Build(t.Context(), d, req, nil); err != nil {
		t.Fatal(err)
	}
	id, err := c.CreateContainer(t.Context(), engine.ContainerSpec{Image: req.Image, Labels: map[string]string{enginetest.Label: t.Name()}})
	if err != nil {
		t.Fatal(err)
	}
	enginetest.RemoveContainer(t, c, id)
	if err := c.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if code, err := c.WaitContainer(t.Context(), id); err != nil || code != 0 {
		t.Errorf("exit status %d, %v", code, err)
	}
	var lines []string
	for line, err := range c.Logs(t.Context(), id, engine.LogQuery{Since: time.Time{}}) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line.Text)
	}
	if len(lines) != 1 || lines[0] != "app packages: curl" {
		t.Errorf("output %q", lines)
	}
}
