package enginetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// daemonTimeout bounds the start and the stop of an engine.
const daemonTimeout = time.Minute

// A Daemon is an engine of a test's own, which can be stopped without harm to this machine's.
type Daemon struct {
	dir     string
	network *os.File
	stop    func() // nil while it is stopped
}

// NewDaemon starts dockerd with a socket, folders and a network of its own. That takes root; elsewhere the test is left
// out. Its containers can be called only by what runs in its network, see Network: an engine in this machine's network
// would take away the bridge of the engine that it already has.
func NewDaemon(tb testing.TB) *Daemon {
	tb.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Getuid() != 0 {
		tb.Skip("an engine of the test's own needs root and dockerd")
	}
	dir, err := os.MkdirTemp("", "engine-") // the test's own folder may be too deep for a socket
	if err != nil {
		tb.Fatal(err)
	}
	d := &Daemon{dir: dir}
	tb.Cleanup(func() {
		d.Stop()
		if d.network != nil {
			_ = d.network.Close()
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("leave no engine behind: %v", err)
		}
	})
	if err := os.WriteFile(d.path("daemon.json"), []byte("{}"), 0o600); err != nil {
		tb.Fatal(err)
	}
	if d.network, err = newNetwork(); err != nil {
		tb.Fatalf("make a network: %v", err)
	}
	d.Start(tb)
	return d
}

// Host is the engine's address, for DOCKER_HOST.
func (d *Daemon) Host() string { return "unix://" + d.path("socket") }

// Network is the file of the engine's network, for nsenter --net.
func (d *Daemon) Network() string {
	return filepath.Join("/proc", strconv.Itoa(os.Getpid()), "fd", strconv.Itoa(int(d.network.Fd())))
}

// newNetwork makes a network namespace with a loopback device that is up.
func newNetwork() (network *os.File, err error) {
	onThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		if network, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return
		}
		var s int
		if s, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(s) //nolint:errcheck // nothing was written
		var up *unix.Ifreq
		if up, err = unix.NewIfreq("lo"); err != nil {
			return
		}
		up.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, up)
	})
	return network, err
}

// onThread runs f on a thread of its own, which ends with it: what f changes of the thread stays there.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		f()
	}()
	<-done
}

func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }

// Connect returns a client of the engine, which must be running.
func (d *Daemon) Connect(tb testing.TB) *engine.Client {
	tb.Helper()
	c, err := d.connect(context.WithoutCancel(tb.Context())) // clean-ups connect too
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func (d *Daemon) connect(ctx context.Context) (*engine.Client, error) {
	return engine.Connect(ctx, engine.Options{Lookup: func(key string) (string, bool) {
		if key == "DOCKER_HOST" {
			return d.Host(), true
		}
		return "", false
	}})
}

// Start starts the engine, again after Stop.
func (d *Daemon) Start(tb testing.TB) {
	tb.Helper()
	log, err := os.OpenFile(d.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("dockerd", "--config-file", d.path("daemon.json"), "--host", d.Host(), //nolint:noctx // stopped by Stop
		"--data-root", d.path("data"), "--exec-root", d.path("exec"), "--pidfile", d.path("pid"), "--storage-driver", "vfs",
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false")
	cmd.Stdout, cmd.Stderr = log, log
	onThread(func() {
		if err = unix.Setns(int(d.network.Fd()), unix.CLONE_NEWNET); err == nil {
			err = cmd.Start()
		}
	})
	_ = log.Close()
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	d.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(daemonTimeout):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	for deadline := time.Now().Add(daemonTimeout); ; time.Sleep(50 * time.Millisecond) {
		c, err := d.connect(tb.Context())
		if err == nil {
			_ = c.Close()
			return
		}
		said := false
		select {
		case <-ended:
			said = true
		default:
		}
		if said || time.Now().After(deadline) {
			text, _ := os.ReadFile(d.path("log"))
			tb.Fatalf("start an engine: %v\n%s", err, text)
		}
	}
}

// Stop ends the engine, and with it the containers that it runs.
func (d *Daemon) Stop() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
}
