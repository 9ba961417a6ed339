package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

// debugging is how a function runs under the debugger of its template. The zero
// value is a function without.
type debugging struct {
	debugger string // schema.Delve or schema.Debugpy
	// sources are folders and files of the project, absolute, and where they are
	// below the working folder of the function; the innermost come first.
	sources [][2]string
}

// debugging works out how the function is debugged, with these extra paths
// copied into it.
func (p *templateProcesses) debugging(fn *stack.Function, extras []string) (d debugging, err error) {
	t, err := p.template(fn)
	switch {
	case err != nil:
		return d, err
	case t.Config.Local == nil || t.Config.Local.Debugger == "":
		return d, fmt.Errorf("--debug-port: template %s names no debugger in its local block", fn.Language)
	case !slices.Contains(schema.Debuggers(), t.Config.Local.Debugger):
		return d, fmt.Errorf("--debug-port: debugger %q of template %s is not known", t.Config.Local.Debugger, fn.Language)
	}
	d.debugger = t.Config.Local.Debugger
	for _, extra := range extras {
		d.sources = append(d.sources, [2]string{p.env.abs(extra), path.Join(t.HandlerFolder(), filepath.ToSlash(filepath.Clean(extra)))})
	}
	d.sources = append(d.sources, [2]string{filepath.Clean(p.env.abs(fn.Handler)), t.HandlerFolder()})
	return d, nil
}

// checkDebugger wants the debuggers of the functions to be installed, before
// anything is built for them.
func (r *localRunner) checkDebugger(ctx context.Context, specs []localSpec) (err error) {
	for _, s := range specs {
		switch s.debugging.debugger {
		case schema.Delve:
			err = findDelve()
		case schema.Debugpy:
			_, err = r.debugpy(ctx, "python3") // the one that the build takes
		}
		if err != nil {
			return fmt.Errorf("run %s: %w", s.job.fn.Name, err)
		}
	}
	return nil
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
	if s.debugging.debugger == schema.Delve {
		if err := findDelve(); err != nil {
			return nil, err
		}
		delve := []string{"dlv", "exec", "--headless", "--api-version=2", "--accept-multiclient", "--continue", "--listen=" + listen, command[0], "--"}
		return append(delve, command[1:]...), nil
	}
	debugpy, err := r.debugpy(ctx, command[0])
	if err != nil {
		return nil, err
	}
	sources, err := json.Marshal(s.debugging.sources)
	if err != nil {
		return nil, err
	}
	// The modules that are frozen into Python have no lines to stop at.
	start := []string{"-Xfrozen_modules=off", "-c", debugpyStart, string(sources), debugpy, "--listen", listen}
	return slices.Concat(command[:1], start, command[1:]), nil
}

// debugpyStart runs debugpy, which it first tells what the function's files are
// called in the project, so that breakpoints set there are met. Only the function
// itself can: its working folder is another for each build.
const debugpyStart = `import json, os, runpy, sys
sources, sys.argv = json.loads(sys.argv[1]), sys.argv[2:]
paths = [[source, os.path.join(os.getcwd(), path)] for source, path in sources]
os.environ["PATHS_FROM_ECLIPSE_TO_PYTHON"] = json.dumps(paths)
runpy.run_path(sys.argv[0], run_name="__main__")`

func findDelve() error {
	if _, err := exec.LookPath("dlv"); err != nil {
		return withHint(fmt.Errorf("--debug-port: %w", err), "install Delve: go install github.com/go-delve/delve/cmd/dlv@latest")
	}
	return nil
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
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("--debug-port: %w", err)
	}
	if err != nil {
		return "", withHint(fmt.Errorf("--debug-port: %s has no module debugpy", python), "install it: %s -m pip install debugpy", python)
	}
	return strings.TrimSpace(string(out)), nil
}
