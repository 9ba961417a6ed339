package enginetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// daemonTimeout bounds the start and the stop of an engine.
const daemonTimeout = time.Minute

// A Daemon is an engine of a test's own, which can be stopped without harm to this machine's.
type Daemon struct {
	dir  string
	stop func() // nil while it is stopped
}

// NewDaemon starts dockerd with a socket, folders and a network of its own. That takes root; elsewhere the test is left
// out. Its containers cannot be called from here: an engine in this machine's network would take away the bridge of the
// engine that it already has.
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
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("leave no engine behind: %v", err)
		}
	})
	if err := os.WriteFile(d.path("daemon.json"), []byte("{}"), 0o600); err != nil {
		tb.Fatal(err)
	}
	d.Start(tb)
	return d
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
			return "unix://" + d.path("socket"), true
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
	cmd := exec.Command("dockerd", "--config-file", d.path("daemon.json"), "--host", "unix://"+d.path("socket"), //nolint:noctx // stopped by Stop
		"--data-root", d.path("data"), "--exec-root", d.path("exec"), "--pidfile", d.path("pid"), "--storage-driver", "vfs",
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Start()
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
