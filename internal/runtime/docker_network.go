package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/engine"
)

// networkName is what people see in their own tools.
func (d *DockerRuntime) networkName() string { return "faas-cli-" + d.o.Instance }

// ensureNetwork finds or makes our network. It is asked each time, because an engine that starts anew, or a person who
// tidies up, may have removed it.
func (d *DockerRuntime) ensureNetwork(ctx context.Context) (engine.Network, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.findNetwork(ctx)
	if err != nil {
		return n, err
	}
	d.network, d.direct = &n, d.o.Engine.Local() && hasAddress(n.Gateway)
	if d.listener == nil || d.listener.host == d.listenHost() {
		return n, nil
	}
	if err := d.listenAnew(ctx); err != nil { // functions run; only calls between them do not
		d.listener.host = "" // to be tried again
	}
	return n, nil
}

// findNetwork does it. d.mu is held.
func (d *DockerRuntime) findNetwork(ctx context.Context) (engine.Network, error) {
	if d.o.Network != "" { // somebody else's: used, never removed
		n, err := d.o.Engine.Network(ctx, d.o.Network)
		if err != nil {
			return n, fmt.Errorf("network %q: %w", d.o.Network, err)
		}
		return n, nil
	}
	name := d.networkName()
	n, err := d.o.Engine.Network(ctx, name)
	if errors.Is(err, engine.ErrNotFound) {
		n, err = d.createNetwork(ctx, name)
		if errors.Is(err, engine.ErrConflict) { // another process of this instance was faster
			n, err = d.o.Engine.Network(ctx, name)
		}
	}
	if err != nil {
		return n, err
	}
	if n.Labels[labelInstance] != d.o.Instance {
		return n, fmt.Errorf("the network %q is not ours; remove it or start the platform anew", name)
	}
	return n, nil
}

// createNetwork makes our network, with the addresses that it had if nobody took them meanwhile: containers that somebody
// took the network from, and may connect again, know the platform by its old address. d.mu is held.
func (d *DockerRuntime) createNetwork(ctx context.Context, name string) (engine.Network, error) {
	labels := map[string]string{labelInstance: d.o.Instance}
	if d.network != nil && d.network.Subnet.IsValid() {
		n, err := d.o.Engine.CreateNetwork(ctx, name, d.network.Subnet, labels)
		if err == nil || errors.Is(err, engine.ErrConflict) {
			return n, err
		}
	}
	return d.o.Engine.CreateNetwork(ctx, name, netip.Prefix{}, labels)
}

// hasAddress reports whether this machine has the address, and hence reaches the network behind it. An engine in a
// virtual machine of its own has it elsewhere.
func hasAddress(want netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == want {
			return true
		}
	}
	return false
}

// Listen opens the platform's second listener: on our network's gateway address where this machine has it, else on
// loopback, which engines in a virtual machine forward to. It moves with the network: Podman gives this machine the
// address only when a container runs, and a network that was removed may come back with another. The port is remembered,
// because containers that outlive the platform have it in their environment.
func (d *DockerRuntime) Listen(ctx context.Context) (net.Listener, []string, error) {
	n, err := d.ensureNetwork(ctx)
	if err != nil {
		return nil, nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	record := filepath.Join(d.o.Dir, "gateway-port")
	var l net.Listener
	for _, port := range []int{readPort(record), FunctionPort, 0} {
		if l, err = listenOn(ctx, d.listenHost(), port); err == nil {
			break
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("listen for functions: %w", err)
	}
	d.gatewayPort = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
	if err := os.MkdirAll(d.o.Dir, 0o700); err == nil {
		err = atomicfile.Write(record, 0o600, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, d.gatewayPort)
			return err
		})
		if err != nil {
			_ = l.Close()
			return nil, nil, err
		}
	}
	d.listener = &movingListener{host: d.listenHost(), current: l}
	return d.listener, []string{GatewayHost, "host.docker.internal", n.Gateway.String()}, nil
}

// listenHost is the address that the listener belongs on now. d.mu is held.
func (d *DockerRuntime) listenHost() string {
	if d.direct {
		return d.network.Gateway.String()
	}
	return "127.0.0.1"
}

// listenAnew moves the listener to where it belongs now, with the port that functions know. d.mu is held.
func (d *DockerRuntime) listenAnew(ctx context.Context) error {
	host := d.listenHost()
	l, err := listenOn(ctx, host, d.gatewayPort)
	if err != nil {
		return err
	}
	d.listener.host = host
	d.listener.move(l)
	return nil
}

func listenOn(ctx context.Context, host string, port int) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// movingListener is a listener whose address can change.
type movingListener struct {
	host string // that it listens on; guarded by the runtime's mu

	mu      sync.Mutex
	current net.Listener
	closed  bool
}

func (l *movingListener) now() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// move goes on with another listener. Connections that were accepted stay.
func (l *movingListener) move(to net.Listener) {
	l.mu.Lock()
	old := l.current
	if l.closed {
		old = to
	} else {
		l.current = to
	}
	l.mu.Unlock()
	_ = old.Close()
}

// Accept implements [net.Listener].
func (l *movingListener) Accept() (net.Conn, error) {
	for {
		at := l.now()
		c, err := at.Accept()
		if err == nil || at == l.now() {
			return c, err
		}
	}
}

// Close implements [net.Listener].
func (l *movingListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.current.Close()
}

// Addr implements [net.Listener].
func (l *movingListener) Addr() net.Addr { return l.now().Addr() }

func readPort(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return FunctionPort
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || port < 1 || port > 65535 {
		return FunctionPort
	}
	return port
}
