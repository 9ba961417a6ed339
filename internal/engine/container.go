package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// A ContainerSpec says what to run. Zero values leave the image's or the engine's own setting.
type ContainerSpec struct {
	Name   string
	Image  string // name, ID or digest
	Labels map[string]string

	Entrypoint, Command []string
	Env                 []string // KEY=value
	User                string
	Stdin               bool // keep standard input open

	Network    string   // name or ID; "host" and "none" are the engine's
	Aliases    []string // further names within Network
	ExtraHosts []string // NAME:ADDRESS lines of /etc/hosts
	Publish    []Publish

	Mounts []Mount
	Tmpfs  map[string]string // path to mount options

	ReadOnly          bool    // root file system
	Memory            int64   // bytes; no swap beyond it
	MemoryReservation int64   // bytes
	CPUs              float64 // 0.5 is half of one
	PIDs              int64   // most processes and threads
	Init              bool    // reap orphans as process 1
	// NoNewPrivileges keeps set-user-ID programs from gaining any.
	NoNewPrivileges bool

	StopGrace time.Duration // from SIGTERM to SIGKILL, whole seconds
	LogSize   string        // of one log file, such as "10m"; two are kept
	Remove    bool          // when it ends
}

// Publish makes a port of the container reachable from the machine it runs on.
type Publish struct {
	Port     int // in the container, TCP
	Host     string
	HostPort int // 0: any free one
}

// A Mount shows a file or folder of the engine's machine, which must exist.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// A Container is one that the engine knows, running or not.
type Container struct {
	ID, Name string
	Image    string // as it was named
	ImageID  string
	Labels   map[string]string
	Env      []string
	Created  time.Time

	State      string // created, running, paused, restarting, removing, exited, dead
	Health     string // starting, healthy, unhealthy; empty without a check
	ExitCode   int
	OOMKilled  bool
	Error      string // why it could not be started
	StartedAt  time.Time
	FinishedAt time.Time

	Addresses map[string]netip.Addr    // by network name; only while it runs
	Ports     map[int][]netip.AddrPort // published, by container port
}

// Running reports whether the container's process exists.
func (c Container) Running() bool { return c.State == "running" || c.State == "paused" }

// CreateContainer makes a container and returns its ID. A name that is taken is [ErrConflict], a
// missing image [ErrNotFound].
func (c *Client) CreateContainer(ctx context.Context, s ContainerSpec) (string, error) {
	cfg := &container.Config{
		Image: s.Image, Labels: s.Labels, Entrypoint: s.Entrypoint, Cmd: s.Command, Env: s.Env, User: s.User,
		OpenStdin: s.Stdin, StdinOnce: s.Stdin, AttachStdin: s.Stdin,
	}
	if s.StopGrace > 0 {
		seconds := int(s.StopGrace.Round(time.Second).Seconds())
		cfg.StopTimeout = &seconds
	}
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode(s.Network),
		ExtraHosts:     s.ExtraHosts,
		Tmpfs:          s.Tmpfs,
		ReadonlyRootfs: s.ReadOnly,
		AutoRemove:     s.Remove,
	}
	if s.Init {
		host.Init = &s.Init
	}
	limit(s, host)
	for _, m := range s.Mounts {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	if s.LogSize != "" {
		host.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": s.LogSize, "max-file": "2"}}
	}
	publish(s, cfg, host)
	var nets *network.NetworkingConfig
	if len(s.Aliases) > 0 {
		nets = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.Network: {Aliases: s.Aliases}}}
	}
	r, err := c.api.ContainerCreate(ctx, cfg, host, nets, nil, s.Name)
	if err != nil {
		return "", c.fail(ctx, fmt.Sprintf("create container %q", s.Name), err)
	}
	return r.ID, nil
}

func limit(s ContainerSpec, host *container.HostConfig) {
	host.Memory, host.MemorySwap = s.Memory, s.Memory
	host.MemoryReservation = s.MemoryReservation
	host.NanoCPUs = int64(s.CPUs * 1e9)
	if s.PIDs > 0 {
		host.PidsLimit = &s.PIDs
	}
	if s.NoNewPrivileges {
		host.SecurityOpt = []string{"no-new-privileges"}
	}
}

func publish(s ContainerSpec, cfg *container.Config, host *container.HostConfig) {
	if len(s.Publish) == 0 {
		return
	}
	cfg.ExposedPorts, host.PortBindings = nat.PortSet{}, nat.PortMap{}
	for _, p := range s.Publish {
		port := nat.Port(strconv.Itoa(p.Port) + "/tcp")
		b := nat.PortBinding{HostIP: p.Host}
		if p.HostPort > 0 {
			b.HostPort = strconv.Itoa(p.HostPort)
		}
		cfg.ExposedPorts[port] = struct{}{}
		host.PortBindings[port] = append(host.PortBindings[port], b)
	}
}

// StartContainer starts a container that exists.
func (c *Client) StartContainer(ctx context.Context, id string) error {
	return c.fail(ctx, fmt.Sprintf("start container %q", id), c.api.ContainerStart(ctx, id, container.StartOptions{}))
}

// StopContainer sends SIGTERM, and SIGKILL to what is left after grace (whole seconds).
func (c *Client) StopContainer(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(grace.Round(time.Second).Seconds())
	return c.fail(ctx, fmt.Sprintf("stop container %q", id), c.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds}))
}

// removalTimeout bounds the wait for a removal that somebody else began.
const removalTimeout = 30 * time.Second

// RemoveContainer ends and removes a container with its anonymous volumes. One that is gone
// already, or that somebody else is removing, is no error; it is gone afterwards.
func (c *Client) RemoveContainer(ctx context.Context, id string) error {
	limited, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	for {
		err := c.fail(ctx, fmt.Sprintf("remove container %q", id),
			c.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true}))
		if isGone(err) {
			return nil
		}
		if !errors.Is(err, ErrConflict) { // that of a forced removal is another removal
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-limited.Done():
			return err
		}
	}
}

// RenameContainer gives a container another name; a name that is taken is [ErrConflict].
func (c *Client) RenameContainer(ctx context.Context, id, name string) error {
	return c.fail(ctx, fmt.Sprintf("rename container %q to %q", id, name), c.api.ContainerRename(ctx, id, name))
}

// WaitContainer blocks until the container is not running, and returns its exit status.
func (c *Client) WaitContainer(ctx context.Context, id string) (int, error) {
	op := fmt.Sprintf("wait for container %q", id)
	ended, errs := c.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case r := <-ended:
		if r.Error != nil {
			return 0, fmt.Errorf("%s: %s", op, r.Error.Message)
		}
		return int(r.StatusCode), nil
	case err := <-errs:
		return 0, c.fail(ctx, op, err)
	}
}

// Container describes a container by name or ID. Without one the error is [ErrNotFound].
func (c *Client) Container(ctx context.Context, id string) (Container, error) {
	r, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		return Container{}, c.fail(ctx, fmt.Sprintf("container %q", id), err)
	}
	out := Container{ID: r.ID, Name: r.Name, ImageID: r.Image}
	if len(out.Name) > 0 && out.Name[0] == '/' {
		out.Name = out.Name[1:]
	}
	out.Created, _ = time.Parse(time.RFC3339Nano, r.Created)
	if r.Config != nil {
		out.Image, out.Labels, out.Env = r.Config.Image, r.Config.Labels, r.Config.Env
	}
	if s := r.State; s != nil {
		out.State, out.ExitCode, out.OOMKilled, out.Error = s.Status, s.ExitCode, s.OOMKilled, s.Error
		out.StartedAt, _ = time.Parse(time.RFC3339Nano, s.StartedAt)
		out.FinishedAt, _ = time.Parse(time.RFC3339Nano, s.FinishedAt)
		if s.Health != nil && s.Health.Status != container.NoHealthcheck {
			out.Health = s.Health.Status
		}
	}
	if n := r.NetworkSettings; n != nil {
		out.Addresses, out.Ports = addresses(n)
	}
	return out, nil
}

func addresses(n *container.NetworkSettings) (map[string]netip.Addr, map[int][]netip.AddrPort) {
	addrs, ports := map[string]netip.Addr{}, map[int][]netip.AddrPort{}
	for name, ep := range n.Networks {
		if ip, err := netip.ParseAddr(ep.IPAddress); err == nil {
			addrs[name] = ip
		}
	}
	for port, bindings := range n.Ports {
		for _, b := range bindings {
			if at, err := netip.ParseAddrPort(b.HostIP + ":" + b.HostPort); err == nil {
				ports[port.Int()] = append(ports[port.Int()], at)
			}
		}
	}
	return addrs, ports
}

// ContainersLabelled lists containers, running or not, with all of the labels, each "key" or
// "key=value". What the list does not say (environment, addresses, exit status) is left zero.
func (c *Client) ContainersLabelled(ctx context.Context, labels ...string) ([]Container, error) {
	list, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: labelFilter(labels)})
	if err != nil {
		return nil, c.fail(ctx, "list containers", err)
	}
	out := make([]Container, len(list))
	for i, s := range list {
		out[i] = Container{ID: s.ID, Image: s.Image, ImageID: s.ImageID, Labels: s.Labels, State: s.State, Created: time.Unix(s.Created, 0)}
		if len(s.Names) > 0 && len(s.Names[0]) > 0 {
			out[i].Name = s.Names[0][1:]
		}
	}
	return out, nil
}

// Usage is what a container consumes.
type Usage struct {
	CPU    time.Duration // of all its processes since it was started
	Memory int64         // bytes, without what the system can take back
}

// Usage asks the engine for one sample.
func (c *Client) Usage(ctx context.Context, id string) (Usage, error) {
	op := fmt.Sprintf("usage of container %q", id)
	r, err := c.api.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return Usage{}, c.fail(ctx, op, err)
	}
	defer r.Body.Close() //nolint:errcheck // only read from
	var s container.StatsResponse
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return Usage{}, c.fail(ctx, op, err)
	}
	reclaimable := s.MemoryStats.Stats["total_inactive_file"] // cgroup v1
	if v, ok := s.MemoryStats.Stats["inactive_file"]; ok && reclaimable == 0 {
		reclaimable = v
	}
	return Usage{CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage), Memory: int64(s.MemoryStats.Usage - min(reclaimable, s.MemoryStats.Usage))}, nil
}
