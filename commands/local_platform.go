package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/local"
)

// platformFlags say how a local platform runs.
type platformFlags struct {
	port         int
	portExplicit bool
	runtime      runtimeName
	origins      []string
	registry     string // "" none, else a port
}

const (
	defaultPort         = 8080
	defaultRegistryPort = 5000
)

func (o *platformFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&o.port, "port", defaultPort, "`port` of the gateway on 127.0.0.1; 0 for any free one")
	o.runtime.register(cmd)
	listVar(f, &o.origins, "allow-origin", "", "`origin` of a web page that may call functions, such as http://localhost:3000 (repeatable)")
	f.StringVar(&o.registry, "registry", "", "also serve images to other tools, on this `port` or any free one")
	f.Lookup("registry").NoOptDefVal = strconv.Itoa(defaultRegistryPort)
}

func (o *platformFlags) complete(cmd *cobra.Command) { o.portExplicit = cmd.Flags().Changed("port") }

func (o *platformFlags) validate() error {
	if err := checkPort("port", o.port); err != nil {
		return err
	}
	if _, err := o.registryPort(); err != nil {
		return err
	}
	for _, origin := range o.origins {
		if err := local.CheckOrigin(origin); err != nil {
			return usagef("--allow-origin: %w", err)
		}
	}
	return nil
}

// registryPort is the port that --registry names; 0 without the flag.
func (o *platformFlags) registryPort() (int, error) {
	if o.registry == "" {
		return 0, nil
	}
	port, err := strconv.Atoi(o.registry)
	if err != nil {
		return 0, usagef("--registry %q: want a port from 0 to 65535", o.registry)
	}
	return port, checkPort("registry", port)
}

// args repeats the flags on the command line of another process.
func (o *platformFlags) args() []string {
	args := []string{"--port=" + strconv.Itoa(o.port), "--runtime=" + string(o.runtime)}
	for _, origin := range o.origins {
		args = append(args, "--allow-origin="+origin)
	}
	if o.registry != "" {
		args = append(args, "--registry="+o.registry)
	}
	return args
}

// runPlatform runs a platform in this process until ctx ends.
func (e *Env) runPlatform(ctx context.Context, dir string, o platformFlags, log io.Writer, ready func(local.Instance)) error {
	self, err := e.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	port, err := o.registryPort()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	return local.Run(ctx, local.Options{
		Dir: dir, Port: o.port, Runtime: string(o.runtime), Origins: o.origins,
		Registry: o.registry != "", RegistryPort: port,
		Runtimes: e.localRuntimes(o.runtime, self, logger),
		Version:  cmp.Or(e.Version, unreleased), Commit: e.Commit, Log: logger, Now: e.Now,
	}, ready)
}

// localRuntimesFunc names the runtimes of a platform.
type localRuntimesFunc = func(local.Host) []local.RuntimeSource

// localRuntimes names the runtimes that --runtime asks for. With auto, what the native builder made runs as a process,
// and everything else as a container, as soon as an engine answers. A platform of containers alone is of no use before.
func (e *Env) localRuntimes(kind runtimeName, self string, log *slog.Logger) localRuntimesFunc {
	return func(h local.Host) []local.RuntimeSource {
		var all []local.RuntimeSource
		if kind != runtimeDocker {
			all = append(all, local.Ready(runtime.NewProcess(runtime.ProcessConfig{
				Dir: h.RuntimeDir(runtime.Process), Images: h.Images, Supervisor: []string{self, "local", superviseName},
				GatewayURL: h.GatewayURL, Path: e.get("PATH"), Log: log,
			})))
		}
		if kind != runtimeProcess {
			connect := func(ctx context.Context) (runtime.Runtime, error) { return e.connectDocker(ctx, h) }
			all = append(all, local.RuntimeSource{Kind: runtime.Docker, Connect: connect, Required: kind == runtimeDocker})
		}
		return all
	}
}

// platformEngine connects to the engine that a platform can run functions with, or says why there is none. Nothing is
// made in it.
func (e *Env) platformEngine(ctx context.Context) (*engine.Client, error) {
	client, err := engine.Connect(ctx, engine.Options{Lookup: e.Lookup, UserAgent: e.userAgent()})
	if err != nil {
		return nil, err
	}
	if err := runtime.CheckEngine(client); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// connectDocker looks for the engine each time: the one to be used may have been installed or chosen since.
func (e *Env) connectDocker(ctx context.Context, h local.Host) (runtime.Runtime, error) {
	client, err := e.platformEngine(ctx)
	if err != nil {
		return nil, err
	}
	return runtime.NewDocker(ctx, runtime.DockerOptions{
		Engine: client, Instance: h.ID, Dir: h.RuntimeDir(runtime.Docker), Image: h.Images.ByHash,
	}), nil
}

// localStateDir is where the platform of this user keeps its state.
func (e *Env) localStateDir() (string, error) { return local.StateDir(e.Lookup) }

// startHint adds what can be done about a platform that does not start.
func startHint(err error) error {
	var port *local.PortError
	var running *local.RunningError
	switch {
	case errors.As(err, &port):
		return withHint(err, "end that program, or choose another port: faas-cli local start --port=PORT (0 for any)")
	case errors.As(err, &running) && running.Instance.Address != "":
		return withHint(err, "to start it again: faas-cli local stop, then faas-cli local start")
	case errors.Is(err, runtime.ErrUnsupported):
		return withHint(err, "choose an engine of this machine (DOCKER_HOST, or faas-cli doctor tells which is used); or start with --runtime auto, which runs what the native builder made")
	case engine.IsUnavailable(err):
		return withHint(err, "start the container engine first; or start with --runtime auto, which runs containers as soon as an engine answers")
	}
	return err
}
