package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// FunctionPort is where a function's HTTP server listens in its container.
const FunctionPort = 8080

// GatewayHost is the name by which functions in containers reach the platform.
const GatewayHost = "gateway.openfaas"

// Labels of containers, networks and images. What does not carry our instance's ID is not ours.
const (
	labelInstance  = "com.openfaas.faas-cli.instance"
	labelFunction  = "com.openfaas.faas-cli.function"
	labelNamespace = "com.openfaas.faas-cli.namespace"
	labelRevision  = "com.openfaas.faas-cli.revision"
	labelReplica   = "com.openfaas.faas-cli.replica"
)

const (
	// minMemory is the least that the engine accepts as a limit.
	minMemory = 6 << 20
	// keptContainers is how many ended containers of a function stay for their logs.
	keptContainers = 2
	// logSize bounds a container's log file; the engine keeps two.
	logSize = "10m"
	// undoTimeout bounds the removal of a container whose start was given up.
	undoTimeout = 15 * time.Second
	// leftTimeout bounds one removal that an engine's absence delayed; a container may take its grace.
	leftTimeout = 3 * time.Minute
)

// DockerOptions are what a [DockerRuntime] works with.
type DockerOptions struct {
	Engine *engine.Client
	// Instance is the ID of the platform, or whatever else owns the containers: a DNS label.
	Instance string
	// Dir is a folder of the runtime's own, 0700. Secrets of running containers are in it.
	Dir string
	// Network is an existing network that containers join instead of one that the runtime makes; empty: its own.
	Network string
	// Image opens an image of the image store by the digest of its manifest. Nil: there is no store.
	Image func(ctx context.Context, digest v1.Hash) (v1.Image, error)
}

// DockerRuntime runs replicas as containers of an engine on this machine, in a network of their own.
type DockerRuntime struct {
	o      DockerOptions
	newID  func() string
	ctx    context.Context //nolint:containedctx // of the goroutines that wait for containers; ends with Close
	cancel context.CancelFunc
	waits  sync.WaitGroup

	leftMu sync.Mutex
	left   []func(context.Context) error // what the engine's absence prevented; see do

	mu          sync.Mutex
	network     *engine.Network
	direct      bool // container addresses can be reached from here
	listener    *movingListener
	gatewayPort int    // of the platform in the network; 0: it does not listen
	arch        string // of the engine
}

var (
	_ Runtime         = (*DockerRuntime)(nil)
	_ FunctionNetwork = (*DockerRuntime)(nil)
	_ Pinner          = (*DockerRuntime)(nil)
	_ Dependent       = (*DockerRuntime)(nil)
)

// NewDocker returns a runtime over an engine. Nothing is made in the engine before it is needed. ctx bounds nothing
// but carries values; Close ends the runtime.
func NewDocker(ctx context.Context, o DockerOptions) *DockerRuntime {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &DockerRuntime{
		o: o, ctx: ctx, cancel: cancel,
		newID: func() string { return strings.ToLower(rand.Text()[:10]) },
	}
}

// Kind is Docker.
func (d *DockerRuntime) Kind() Kind { return Docker }

// Close ends the connections. Containers go on; where none does, the network goes, for an engine has room for few.
func (d *DockerRuntime) Close() error {
	d.mu.Lock()
	n := d.network
	d.mu.Unlock()
	if n != nil {
		ctx, cancel := context.WithTimeout(d.ctx, undoTimeout)
		_ = d.o.Engine.RemoveNetwork(ctx, n.ID) // refused while a container runs in it
		cancel()
	}
	d.cancel()
	d.waits.Wait()
	return d.o.Engine.Close()
}

// Notes says what of the limits is changed.
func (d *DockerRuntime) Notes(s Spec) []string {
	if 0 < s.Memory && s.Memory < minMemory {
		return []string{fmt.Sprintf("memory limit of %d bytes is raised to 6 MiB, the least that a container engine takes", s.Memory)}
	}
	return nil
}

// CheckEngine says whether functions can run with the engine: those of one on another machine could not be reached, nor
// could they read their secrets. Otherwise the error wraps [ErrUnsupported].
func CheckEngine(c *engine.Client) error {
	if c.Local() {
		return nil
	}
	return fmt.Errorf("%w: the container engine at %s is not on this machine", ErrUnsupported, c.Endpoint().Host)
}

// Check says whether the image is there and the engine is near.
func (d *DockerRuntime) Check(ctx context.Context, s Spec) error {
	if err := CheckEngine(d.o.Engine); err != nil {
		return err
	}
	if d.stored(ctx, s.Digest) != nil {
		return d.Reachable(ctx)
	}
	ref := s.Image
	if s.Digest != "" {
		ref = s.Digest
	}
	_, err := d.o.Engine.Image(ctx, ref)
	if errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("%w: %q is neither in the image store nor in the container engine", ErrNoImage, s.Image)
	}
	return err
}

// Start creates and starts a container.
func (d *DockerRuntime) Start(ctx context.Context, s Spec) (Replica, error) {
	r, err := d.start(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("start container: %w", err)
	}
	return r, nil
}

func (d *DockerRuntime) start(ctx context.Context, s Spec) (_ *container, err error) {
	img, err := d.image(ctx, s)
	if err != nil {
		return nil, err
	}
	n, err := d.ensureNetwork(ctx)
	if err != nil {
		return nil, err
	}
	id := d.newID()
	secrets := d.secretsDir(id)
	if err := writeSecretFiles(secrets, s.Secrets); err != nil {
		return nil, err
	}
	spec := d.spec(s, id, img.ID, secrets, n)
	if info, ierr := d.o.Engine.Info(ctx); ierr == nil && info.Podman { // which may take host-gateway for an address
		spec.ExtraHosts = []string{GatewayHost + ":" + n.Gateway.String()}
	}
	cid, err := d.create(ctx, spec)
	undo := func() {
		uctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if cid == "" && engine.IsUnavailable(err) { // it may have been made although the answer was lost
			cid = spec.Name
		}
		if cid != "" {
			_ = d.do(uctx, func(ctx context.Context) error { return d.o.Engine.RemoveContainer(ctx, cid) })
		}
		_ = os.RemoveAll(secrets)
	}
	if err == nil {
		err = d.o.Engine.StartContainer(ctx, cid)
	}
	if err != nil {
		undo()
		return nil, err
	}
	if d.mayMove() {
		_, err = d.ensureNetwork(ctx)
	}
	var found engine.Container
	if err == nil {
		found, err = d.o.Engine.Container(ctx, cid)
	}
	if err != nil {
		undo()
		return nil, err
	}
	r, err := d.replica(found)
	if err != nil {
		undo()
		return nil, err
	}
	if arch := d.engineArch(ctx); arch != "" && img.Arch != arch {
		r.foreign = fmt.Sprintf("%s/%s, and the engine runs %s", img.OS, img.Arch, arch)
	}
	d.watch(r)
	return r, nil
}

// mayMove says whether this machine may get the network's address with the first container.
func (d *DockerRuntime) mayMove() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listener != nil && !d.direct
}

// create makes the container. A name can only be taken by somebody else's container: ours have random parts.
func (d *DockerRuntime) create(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	cid, err := d.o.Engine.CreateContainer(ctx, spec)
	if !errors.Is(err, engine.ErrConflict) {
		return cid, err
	}
	other, oerr := d.o.Engine.Container(ctx, spec.Name)
	if oerr != nil || other.Labels[labelInstance] == d.o.Instance {
		return "", err
	}
	return "", fmt.Errorf("the name %q belongs to a container that is not ours (%s, image %q); it is left alone", spec.Name, other.ID[:12], other.Image)
}

func (d *DockerRuntime) spec(s Spec, id, image, secrets string, n engine.Network) engine.ContainerSpec {
	labels := maps.Clone(s.Annotations)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, s.Labels)
	maps.Copy(labels, map[string]string{
		labelInstance: d.o.Instance, labelFunction: s.Name, labelNamespace: s.Namespace,
		labelRevision: s.Revision, labelReplica: id,
	})
	d.mu.Lock()
	direct, gatewayPort := d.direct, d.gatewayPort
	d.mu.Unlock()
	spec := engine.ContainerSpec{
		Name: s.Name + "." + s.Namespace + "." + id, Image: image, Labels: labels, Entrypoint: s.Command,
		Network: n.ID, ExtraHosts: []string{GatewayHost + ":host-gateway"},
		Mounts:   []engine.Mount{{Source: secrets, Target: SecretsPath, ReadOnly: true}},
		ReadOnly: s.ReadOnlyRoot, CPUs: float64(s.MilliCPU) / 1000,
		NoNewPrivileges: true, LogSize: logSize,
	}
	if direct {
		spec.ExtraHosts = []string{GatewayHost + ":" + n.Gateway.String()}
	}
	if s.Memory > 0 {
		spec.Memory = max(s.Memory, minMemory)
	}
	if s.ReadOnlyRoot {
		spec.Tmpfs = map[string]string{"/tmp": "exec,mode=1777"} // the engine's default forbids programs there
	}
	if s.Port != 0 || s.Loopback || !direct {
		spec.Publish = []engine.Publish{{Port: FunctionPort, Host: "127.0.0.1", HostPort: s.Port}}
	}
	env := maps.Clone(s.Env)
	if env == nil {
		env = map[string]string{}
	}
	if _, set := env["gateway_url"]; !set && gatewayPort != 0 {
		env["gateway_url"] = "http://" + net.JoinHostPort(GatewayHost, strconv.Itoa(gatewayPort))
	}
	for _, k := range slices.Sorted(maps.Keys(env)) {
		spec.Env = append(spec.Env, k+"="+env[k])
	}
	return spec
}

// Adopt takes over the containers that run, and removes those that were never started, and the ended ones of functions
// that are not deployed.
func (d *DockerRuntime) Adopt(ctx context.Context, deployed func(Ref) bool) ([]Replica, error) {
	list, err := d.ours(ctx)
	if err != nil {
		return nil, err
	}
	var replicas []Replica
	known := map[string]bool{}
	for _, c := range list {
		known[c.Labels[labelReplica]] = c.Running()
		ref := Ref{Name: c.Labels[labelFunction], Namespace: c.Labels[labelNamespace]}
		if c.State == "created" || !c.Running() && !deployed(ref) {
			err = errors.Join(err, d.o.Engine.RemoveContainer(ctx, c.ID))
		}
		if !c.Running() {
			continue
		}
		if _, nerr := d.ensureNetwork(ctx); nerr != nil {
			return nil, nerr
		}
		found, cerr := d.o.Engine.Container(ctx, c.ID)
		var r *container
		if cerr == nil {
			r, cerr = d.replica(found)
		}
		if cerr != nil { // it cannot be called, so it is of no use
			err = errors.Join(err, d.o.Engine.RemoveContainer(ctx, c.ID))
			continue
		}
		d.watch(r)
		replicas = append(replicas, r)
	}
	d.removeSecrets(func(replica string) bool { return !known[replica] })
	return replicas, err
}

// ours lists our containers, or those of one function, oldest first.
func (d *DockerRuntime) ours(ctx context.Context, f ...Ref) ([]engine.Container, error) {
	labels := []string{labelInstance + "=" + d.o.Instance}
	for _, r := range f {
		labels = append(labels, labelFunction+"="+r.Name, labelNamespace+"="+r.Namespace)
	}
	list, err := d.o.Engine.ContainersLabelled(ctx, labels...)
	slices.SortStableFunc(list, func(a, b engine.Container) int { return a.Created.Compare(b.Created) })
	return list, err
}

// Forget removes the function's ended containers.
func (d *DockerRuntime) Forget(ctx context.Context, f Ref) error {
	return d.do(ctx, func(ctx context.Context) error {
		return errors.Join(d.removeContainers(ctx, 0, f), d.removeImages(ctx, false))
	})
}

// Reachable implements [Dependent].
func (d *DockerRuntime) Reachable(ctx context.Context) error { return d.o.Engine.Reachable(ctx) }

// Await implements [Dependent].
func (d *DockerRuntime) Await(ctx context.Context) error {
	for wait := reconnectFirst; ; wait = min(2*wait, reconnectMax) {
		if d.Reachable(ctx) == nil {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// do removes something from the engine. When the engine is away, it fails and is done as soon as the engine is back,
// after what was to be done before.
func (d *DockerRuntime) do(ctx context.Context, remove func(context.Context) error) error {
	err := remove(ctx)
	if !engine.IsUnavailable(err) {
		return err
	}
	d.leftMu.Lock()
	defer d.leftMu.Unlock()
	d.left = append(d.left, remove)
	if len(d.left) == 1 && d.ctx.Err() == nil {
		d.waits.Go(d.catchUp)
	}
	return err
}

// catchUp does what is left until nothing is. What it does not get to, the next process finds when it adopts.
func (d *DockerRuntime) catchUp() {
	for {
		if d.Await(d.ctx) != nil {
			return
		}
		d.leftMu.Lock()
		next := d.left[0]
		d.leftMu.Unlock()
		ctx, cancel := context.WithTimeout(d.ctx, leftTimeout)
		err := next(ctx)
		cancel()
		if engine.IsUnavailable(err) {
			select {
			case <-time.After(reconnectFirst):
			case <-d.ctx.Done():
			}
			continue
		}
		d.leftMu.Lock()
		d.left = d.left[1:]
		rest := len(d.left)
		d.leftMu.Unlock()
		if rest == 0 {
			return
		}
	}
}

// engineAway returns the error that says why the engine does not answer, without what was asked of it.
func engineAway(err error) error {
	var away *engine.UnavailableError
	if errors.As(err, &away) {
		return away
	}
	return err
}

// Purge removes our containers, network and images.
func (d *DockerRuntime) Purge(ctx context.Context) error {
	errs := []error{d.removeContainers(ctx, 0)}
	networks, err := d.o.Engine.NetworksLabelled(ctx, labelInstance+"="+d.o.Instance)
	errs = append(errs, err)
	for _, n := range networks {
		errs = append(errs, d.o.Engine.RemoveNetwork(ctx, n.ID))
	}
	d.mu.Lock()
	d.network = nil
	d.mu.Unlock()
	errs = append(errs, d.removeImages(ctx, true), os.RemoveAll(d.o.Dir))
	return errors.Join(errs...)
}

// removeContainers removes the ended containers of a function, or all of ours, but for the youngest few.
func (d *DockerRuntime) removeContainers(ctx context.Context, keep int, f ...Ref) error {
	list, err := d.ours(ctx, f...)
	list = slices.DeleteFunc(list, func(c engine.Container) bool { return len(f) > 0 && c.Running() })
	for _, c := range list[:max(0, len(list)-keep)] {
		err = errors.Join(err, d.o.Engine.RemoveContainer(ctx, c.ID))
		_ = os.RemoveAll(d.secretsDir(c.Labels[labelReplica]))
	}
	return err
}

func (d *DockerRuntime) secretsDir(replica string) string {
	return filepath.Join(d.o.Dir, "secrets", replica)
}

func (d *DockerRuntime) removeSecrets(stale func(replica string) bool) {
	entries, _ := os.ReadDir(filepath.Join(d.o.Dir, "secrets")) // without it there is nothing to remove
	for _, e := range entries {
		if stale(e.Name()) {
			_ = os.RemoveAll(d.secretsDir(e.Name()))
		}
	}
}

func (d *DockerRuntime) engineArch(ctx context.Context) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.arch == "" {
		if info, err := d.o.Engine.Info(ctx); err == nil {
			d.arch = info.Arch
		}
	}
	return d.arch
}

// addressOf says where the container is reached: at its own address where this machine routes to it, else at the
// loopback port that was published for it.
func (d *DockerRuntime) addressOf(c engine.Container) (string, error) {
	if at := c.Ports[FunctionPort]; len(at) > 0 {
		return at[0].String(), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.network != nil {
		if ip, ok := c.Addresses[d.network.Name]; ok && d.direct {
			return netip.AddrPortFrom(ip, FunctionPort).String(), nil
		}
	}
	return "", fmt.Errorf("container %s has no address: %s", c.Name, c.State)
}
