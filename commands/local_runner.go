package commands

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/filelock"
	"github.com/faas-cli/faas-cli/internal/registry"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/local"
)

const (
	// stopGrace is how long a function may take to end when it is asked to.
	stopGrace = 5 * time.Second
	// healthyWithin is how long a function may take until it answers.
	healthyWithin = 30 * time.Second
	// cleanUpWithin bounds what is tidied up after the end.
	cleanUpWithin = 10 * time.Second
)

// Folders of a run, one for each runtime.
const (
	processFolder = "process"
	dockerFolder  = "docker"
)

// A localRunner runs functions without a platform. It is closed when they are
// to end, by one goroutine; start may replace a function that runs.
type localRunner struct {
	env   *Env
	o     localRunOptions
	dir   string         // of this run only
	lock  *filelock.Lock // says that it lives
	self  string
	id    string
	store *registry.Store
	conn  *engineConn
	front *localFront // nil: a single function has the port itself

	processes runtime.Runtime // nil until needed, and so is docker
	docker    runtime.Runtime

	mu      sync.Mutex
	running []*localReplica // in the order of their first start
	logs    sync.WaitGroup
	ends    sync.WaitGroup
}

// localReplica is a function that runs.
type localReplica struct {
	name    string
	replica runtime.Replica
	runtime runtime.Runtime
	stopLog context.CancelFunc
	logDone chan struct{}
	stopped chan struct{} // closed before it is stopped
	ended   chan struct{} // closed when it has ended, and that was told if nobody stopped it
}

func (e *Env) newLocalRunner(ctx context.Context, o localRunOptions) (*localRunner, error) {
	state, err := local.StateDir(e.Lookup)
	if err != nil {
		return nil, err
	}
	self, err := e.Executable()
	if err != nil {
		return nil, err
	}
	r := &localRunner{
		env: e, o: o, self: self, id: "local-run-" + strings.ToLower(rand.Text()[:8]),
		store: registry.Open(local.ImagesDir(state)), conn: &engineConn{env: e},
	}
	r.dir = filepath.Join(filepath.Dir(state), "local-run", r.id)
	if err := os.MkdirAll(filepath.Dir(r.dir), 0o700); err != nil {
		return nil, err
	}
	if r.lock, err = filelock.Try(r.dir + lockSuffix); err != nil {
		return nil, err
	}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return nil, err
	}
	if err := r.removeKilled(ctx); err != nil {
		e.warnf("tidy up after a local-run that was killed: %v", err)
	}
	if err := r.takePorts(ctx); err != nil {
		r.close(ctx)
		return nil, err
	}
	return r, nil
}

// takePorts listens on the port of several functions. For a single function,
// which listens itself, and for its debugger it only finds out whether it could.
func (r *localRunner) takePorts(ctx context.Context) (err error) {
	if r.o.all || r.o.host != loopbackHost {
		r.front, err = r.env.newLocalFront(ctx, r.o)
	} else {
		err = portFree(ctx, "--port", r.o.port)
	}
	if err == nil && r.o.debugPort != 0 {
		err = portFree(ctx, "--debug-port", r.o.debugPort)
	}
	return err
}

// portFree wants to be able to listen on a port of this machine.
func portFree(ctx context.Context, flag string, port int) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(loopbackHost, strconv.Itoa(port)))
	if err != nil {
		return portTaken(err, flag, port)
	}
	return l.Close()
}

// portTaken adds to the error of a listener which flag names another port.
func portTaken(err error, flag string, port int) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return withHint(err, "another program listens on port %d: choose one with %s", port, flag)
	}
	return err
}

// checkTools wants what the functions will be run with: their debuggers and,
// where the flags already say that it is needed, the container engine.
func (r *localRunner) checkTools(ctx context.Context, specs []localSpec) error {
	if err := r.checkDebugger(ctx, specs); err != nil {
		return err
	}
	if r.o.needsEngine() {
		_, err := r.engine(ctx)
		return err
	}
	return nil
}

// needsEngine says that functions run as containers, whatever built them.
func (o localRunOptions) needsEngine() bool {
	return o.runtime == runtimeDocker || o.runtime != runtimeProcess && o.network != ""
}

// engine is the connection to the container engine. One that could not be made is
// made again the next time: with --watch the engine may be back by then.
func (r *localRunner) engine(ctx context.Context) (*engine.Client, error) {
	c, err := r.conn.get(ctx)
	if err != nil {
		r.conn = &engineConn{env: r.env}
	}
	return c, err
}

// runtimeOf decides what runs the image: as a process what the native engine
// built here, as a container everything else.
func (r *localRunner) runtimeOf(ctx context.Context, image string) (rt runtime.Runtime, digest string, err error) {
	h, ok, err := r.store.Resolve(image)
	if err != nil {
		return nil, "", err
	}
	if ok {
		digest = h.String()
	}
	native := ok && r.store.Native(h)
	if r.o.runtime == runtimeProcess || native && !r.o.needsEngine() {
		if r.processes == nil {
			r.processes = runtime.NewProcess(runtime.ProcessConfig{
				Dir: filepath.Join(r.dir, processFolder), Images: local.StoreImages{Store: r.store},
				Supervisor: []string{r.self, "local", superviseName}, Path: r.env.get("PATH"),
				Log: slog.New(slog.DiscardHandler),
			})
		}
		return r.processes, digest, nil
	}
	if r.docker == nil {
		client, err := r.engine(ctx)
		if err != nil {
			return nil, "", err
		}
		dir := filepath.Join(r.dir, dockerFolder)
		if err := os.MkdirAll(dir, 0o700); err != nil { // says that there may be containers
			return nil, "", err
		}
		r.docker = runtime.NewDocker(ctx, runtime.DockerOptions{
			Engine: client, Instance: r.id, Dir: dir, Network: r.o.network,
			Image: local.StoreImages{Store: r.store}.ByHash,
		})
	}
	if digest == "" {
		if pinner, ok := r.docker.(runtime.Pinner); ok {
			digest, err = pinner.Pin(ctx, image)
		}
	}
	return r.docker, digest, err
}

// start starts a function, in place of what runs under its name. With errEnded
// it also returns the function.
func (r *localRunner) start(ctx context.Context, s localSpec) (*localReplica, error) {
	name := s.job.fn.Name
	fail := func(err error) (*localReplica, error) { return nil, fmt.Errorf("run %s: %w", name, err) }
	rt, spec, err := r.prepare(ctx, s)
	if err != nil {
		return fail(err)
	}
	for _, note := range rt.Notes(spec) {
		r.env.warnf("%s", note)
	}
	r.stopNamed(ctx, name)
	replica, err := rt.Start(ctx, spec)
	if err != nil {
		return fail(portTaken(err, "--port", r.o.port))
	}
	l := r.follow(ctx, name, rt, replica)
	healthy, cancel := context.WithTimeoutCause(ctx, healthyWithin, errors.New("it does not answer its health check"))
	defer cancel()
	if err := runtime.WaitHealthy(healthy, &http.Client{Transport: r.env.Transport}, replica, ""); err != nil {
		var ended *runtime.ExitError
		if errors.As(err, &ended) {
			<-l.ended
			return l, fmt.Errorf("run %s: %w", name, errEnded)
		}
		return fail(err)
	}
	r.announce(s, replica.Info().Address)
	return l, nil
}

// prepare decides what runs the function, and from what.
func (r *localRunner) prepare(ctx context.Context, s localSpec) (runtime.Runtime, runtime.Spec, error) {
	rt, digest, err := r.runtimeOf(ctx, s.job.image)
	if err != nil {
		return nil, runtime.Spec{}, err
	}
	secrets, err := s.readSecrets()
	if err != nil {
		return nil, runtime.Spec{}, err
	}
	spec := runtime.Spec{
		Ref:   runtime.Ref{Name: s.job.fn.Name, Namespace: s.env["OPENFAAS_NAMESPACE"]},
		Image: s.job.image, Digest: digest, Env: s.env, Secrets: secrets,
		Memory: s.memory, MilliCPU: s.milliCPU, ReadOnlyRoot: s.readOnly,
	}
	if r.front == nil {
		spec.Port, spec.Loopback = r.o.port, true
	}
	if r.o.debugPort != 0 {
		if spec.Command, err = r.debugCommand(ctx, s, rt.Kind()); err != nil {
			return nil, runtime.Spec{}, err
		}
	}
	return rt, spec, rt.Check(ctx, spec)
}

// announce says where a function that is ready can be called.
func (r *localRunner) announce(s localSpec, address string) {
	name := s.job.fn.Name
	url := "http://" + address
	if r.front != nil {
		url = r.front.add(name, address)
	} else if r.o.port == 0 {
		r.keepPort(address)
	}
	r.env.progressf("Running %s on %s", name, url)
	if r.o.debugPort != 0 {
		r.env.progressf("Its debugger (%s) listens on %s:%d", s.debugging.debugger, loopbackHost, r.o.debugPort)
	}
}

// errEnded: how a function ended is told already.
var errEnded = errors.New("it ended before it could be called")

// follow shows what the function writes, and its end.
func (r *localRunner) follow(ctx context.Context, name string, rt runtime.Runtime, replica runtime.Replica) *localReplica {
	l := &localReplica{
		name: name, replica: replica, runtime: rt,
		logDone: make(chan struct{}), stopped: make(chan struct{}), ended: make(chan struct{}),
	}
	ctx = context.WithoutCancel(ctx) // until it is stopped
	var logCtx context.Context
	logCtx, l.stopLog = context.WithCancel(ctx)
	r.logs.Go(func() { r.showLogs(logCtx, l) })
	r.mu.Lock()
	r.running = append(r.running, l)
	r.mu.Unlock()
	r.ends.Go(func() { r.awaitEnd(ctx, l) })
	return l
}

// awaitEnd tells that a function has ended by itself, after all that it wrote.
func (r *localRunner) awaitEnd(ctx context.Context, l *localReplica) {
	defer close(l.ended)
	select {
	case <-l.stopped:
		return
	case <-l.replica.Done():
	}
	if !r.stop(ctx, l) {
		return
	}
	again := ""
	if r.o.watch {
		again = "; its next change starts it again"
	}
	r.env.progressf("%s ended: %s%s", l.name, l.replica.Exit(), again)
}

// keepPort makes the port that was free at the first start that of all later
// ones, so that --watch moves no function away from its callers.
func (r *localRunner) keepPort(address string) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return
	}
	if n, err := strconv.Atoi(port); err == nil {
		r.o.port = n
	}
}

// showLogs prints what the function writes until it is stopped, then what is
// left.
func (r *localRunner) showLogs(ctx context.Context, l *localReplica) {
	defer close(l.logDone)
	q := runtime.LogQuery{Tail: -1, Follow: true, Instance: l.replica.Info().ID}
	shown := 0
	show := func(line runtime.LogLine) {
		prefix := ""
		if r.o.all {
			prefix = "[" + l.name + "] "
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = writeLine(r.env.Term.Out, prefix+r.env.shown(line.Text)) // a closed pipe does not end the function
		shown++
	}
	for line, err := range l.runtime.Logs(ctx, l.replica.Info().Ref, q) {
		if err != nil {
			break
		}
		show(line)
	}
	q.Follow = false
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	skip := shown
	for line, err := range l.runtime.Logs(rest, l.replica.Info().Ref, q) {
		if err != nil {
			return
		}
		if skip > 0 {
			skip--
			continue
		}
		show(line)
	}
}

// wait returns when all functions have ended, with the exit code of the first
// that failed, or when ctx ends, which is the normal end.
func (r *localRunner) wait(ctx context.Context, all []*localReplica) error {
	code := 0
	for _, l := range all {
		select {
		case <-ctx.Done():
			return watchEnd(ctx)
		case <-l.ended:
		}
		exit := l.replica.Exit()
		if code == 0 {
			code = exit.Code
		}
		if exit.Code < 0 {
			code = exitFailed
		}
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// stopNamed stops the function of that name, if it runs.
func (r *localRunner) stopNamed(ctx context.Context, name string) {
	for _, l := range r.all() {
		if l.name == name {
			r.stop(ctx, l)
		}
	}
}

// all are the functions that run.
func (r *localRunner) all() []*localReplica {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.running)
}

// stop ends a function, if nobody else does, and shows the rest of its log.
func (r *localRunner) stop(ctx context.Context, l *localReplica) bool {
	r.mu.Lock()
	i := slices.Index(r.running, l)
	if i < 0 {
		r.mu.Unlock()
		return false
	}
	r.running = slices.Delete(r.running, i, i+1)
	if r.front != nil {
		r.front.stopped(l.name)
	}
	r.mu.Unlock()
	close(l.stopped)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace+cleanUpWithin)
	defer cancel()
	if err := l.replica.Stop(ctx, stopGrace); err != nil {
		r.env.warnf("stop %s: %v", l.name, err)
	}
	l.stopLog()
	<-l.logDone
	return true
}

// stopOthers ends the functions that are no longer in the stack file.
func (r *localRunner) stopOthers(ctx context.Context, run *localRun) {
	there := func(name string) bool {
		return slices.ContainsFunc(run.jobs, func(j *job) bool { return j.fn.Name == name })
	}
	if r.front != nil {
		r.front.keep(there)
	}
	for _, l := range r.all() {
		if there(l.name) {
			continue
		}
		r.stop(ctx, l)
		r.env.progressf("%s is no longer in the stack file: stopped", l.name)
	}
}

// close ends everything that was started and removes what it left.
func (r *localRunner) close(ctx context.Context) {
	if r.front != nil {
		r.front.close()
	}
	for _, l := range r.all() {
		r.stop(ctx, l)
	}
	r.ends.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	for _, rt := range []runtime.Runtime{r.processes, r.docker} {
		if rt == nil {
			continue
		}
		if err := errors.Join(rt.Purge(ctx), rt.Close()); err != nil {
			r.env.warnf("tidy up: %v", err)
		}
	}
	r.logs.Wait()
	_ = r.conn.Close()
	if err := os.RemoveAll(r.dir); err != nil {
		r.env.warnf("tidy up: %v", err)
	}
	r.lock.Release()
	_ = os.Remove(r.dir + lockSuffix) // another run was faster
}
