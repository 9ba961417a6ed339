package commands

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

// debugger is the debugger of the function's template.
func (p *templateProcesses) debugger(fn *stack.Function) (string, error) {
	t, err := p.template(fn)
	switch {
	case err != nil:
		return "", err
	case t.Config.Local == nil || t.Config.Local.Debugger == "":
		return "", fmt.Errorf("--debug-port: template %s names no debugger in its local block", fn.Language)
	case !slices.Contains(schema.Debuggers(), t.Config.Local.Debugger):
		return "", fmt.Errorf("--debug-port: debugger %q of template %s is not known", t.Config.Local.Debugger, fn.Language)
	}
	return t.Config.Local.Debugger, nil
}

// debugCommand starts the function under its debugger, which waits for nobody
// and listens on this machine only.
func (r *localRunner) debugCommand(ctx context.Context, s localSpec, kind runtime.Kind) ([]string, error) {
	if kind != runtime.Process {
		return nil, withHint(errors.New("--debug-port: it runs as a container"), "build it with --builder native")
	}
	h, _, err := r.store.Resolve(s.job.image)
	if err != nil {
		return nil, err
	}
	image, err := r.store.Image(ctx, h)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	command := slices.Concat(file.Config.Entrypoint, file.Config.Cmd)
	if len(command) == 0 {
		return nil, errors.New("--debug-port: its image names no command")
	}
	if own := r.store.Interpreter(h); own != "" {
		command[0] = own
	}
	listen := loopbackHost + ":" + strconv.Itoa(r.o.debugPort)
	if s.debugger == schema.Delve {
		if _, err := exec.LookPath("dlv"); err != nil {
			return nil, withHint(fmt.Errorf("--debug-port: %w", err), "install Delve: go install github.com/go-delve/delve/cmd/dlv@latest")
		}
		delve := []string{"dlv", "exec", "--headless", "--api-version=2", "--accept-multiclient", "--continue", "--listen=" + listen, command[0], "--"}
		return append(delve, command[1:]...), nil
	}
	debugpy, err := r.debugpy(ctx, command[0])
	if err != nil {
		return nil, err
	}
	return slices.Concat(command[:1], []string{debugpy, "--listen", listen}, command[1:]), nil
}

// debugpy finds the folder of debugpy, which can be run as it is: the function
// has a home of its own, in which Python looks for no modules of the user.
func (r *localRunner) debugpy(ctx context.Context, python string) (string, error) {
	find := exec.CommandContext(ctx, python, "-c", "import debugpy; print(debugpy.__path__[0])") //nolint:gosec // the Python of the user, which runs the function as well
	find.Env, find.Dir = r.env.Environ(), r.dir                                                  // where no folder of the project passes for it
	out, err := find.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", withHint(fmt.Errorf("--debug-port: %s has no module debugpy", python), "install it: %s -m pip install debugpy", python)
	}
	return strings.TrimSpace(string(out)), nil
}
