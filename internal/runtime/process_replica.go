//go:build unix

package runtime

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// launch is what a supervisor is told, as one line of JSON on its standard input. That stays open: its end is that of the
// gateway, and with it of the replica.
type launch struct {
	ID     string   `json:"id"`
	Path   string   `json:"path"` // of the executable
	Args   []string `json:"args"` // with the name it is called by
	Env    []string `json:"env"`
	Dir    string   `json:"dir"`
	Memory int64    `json:"memory,omitempty"` // bytes
	CPU    int64    `json:"cpu,omitempty"`    // thousandths of one
	LogDir string   `json:"logDir"`
	Lock   string   `json:"lock"` // held, shared, to the end

	Mode    mountMode `json:"mode,omitempty"`    // how Secrets gets to SecretsPath
	Secrets string    `json:"secrets,omitempty"` // folder
	Staging string    `json:"staging,omitempty"` // folder that mounts are prepared in
}

// order is what a supervisor is told later.
type order struct {
	Stop time.Duration `json:"stop"` // end the replica, by force after so long
}

// event is what a supervisor says on its standard output, a line of JSON each.
type event struct {
	Started int    `json:"started,omitempty"` // process group of the function
	Failed  string `json:"failed,omitempty"`  // it could not be started
	Exit    *Exit  `json:"exit,omitempty"`    // it has ended, with everything it started
}

// process is a replica: a function under its supervisor.
type process struct {
	info    Info
	run     string // its folder
	secrets string
	log     *slog.Logger

	cmd   *exec.Cmd
	group int // process group of the function
	done  chan struct{}
	exit  Exit // once done is closed

	mu    sync.Mutex // of stdin
	stdin io.WriteCloser

	usage usageMeter
}

func (r *process) Info() Info            { return r.info }
func (r *process) Done() <-chan struct{} { return r.done }

func (r *process) Exit() Exit {
	select {
	case <-r.done:
		return r.exit
	default:
		return Exit{}
	}
}

// start runs the supervisor and returns once the function is started.
func (r *process) start(ctx context.Context, supervisor []string, l launch) error {
	// The replica outlives the context that it was started with.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), supervisor[0], append(supervisor[1:len(supervisor):len(supervisor)], superviseArg)...) //nolint:gosec // our own program
	cmd.Env = []string{}                                                                                                                          // a supervisor needs nothing of the user's
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}                                                                                          // Ctrl-C on the gateway's terminal is the gateway's
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr := &tailWriter{}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start its supervisor: %w", err)
	}
	r.cmd, r.stdin = cmd, stdin
	events := bufio.NewScanner(stdout)
	first := make(chan event, 1)
	go func() {
		r.follow(events, first, stderr)
	}()
	if err := r.send(l); err != nil {
		r.abandon()
		return fmt.Errorf("instruct its supervisor: %w", err)
	}
	select {
	case e := <-first:
		if e.Started == 0 {
			r.abandon()
			return errors.New(e.Failed)
		}
		r.group = e.Started
		r.info.Started = time.Now()
		return nil
	case <-ctx.Done():
		r.abandon()
		return context.Cause(ctx)
	}
}

// abandon ends a start that came to nothing.
func (r *process) abandon() {
	r.mu.Lock()
	_ = r.stdin.Close() // which the supervisor takes for the end of the gateway
	r.mu.Unlock()
	<-r.done
}

// follow reads what the supervisor says until it ends.
func (r *process) follow(events *bufio.Scanner, first chan<- event, stderr *tailWriter) {
	group, heard := 0, false
	r.exit = Exit{Code: -1, Reason: "its supervisor ended"}
	for events.Scan() {
		var e event
		if err := json.Unmarshal(events.Bytes(), &e); err != nil {
			r.log.Warn("supervisor said something else", "replica", r.info.ID, "error", err)
			continue
		}
		switch {
		case e.Exit != nil:
			r.exit = *e.Exit
		case !heard:
			group, heard = e.Started, true
			first <- e
		}
	}
	err := r.cmd.Wait()
	if !heard {
		first <- event{Failed: fmt.Sprintf("its supervisor ended: %v: %s", err, stderr)}
	}
	if r.exit.Code == -1 && group > 0 { // it was killed: what it kept is without a keeper
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	if err := os.RemoveAll(r.run); err != nil {
		r.log.Warn("remove the folder of a replica", "replica", r.info.ID, "error", err)
	}
	close(r.done)
}

// send writes one line to the supervisor.
func (r *process) send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.stdin.Write(append(b, '\n'))
	return err
}

func (r *process) SetSecrets(_ context.Context, secrets map[string][]byte) error {
	select {
	case <-r.done:
		return nil
	default:
		return writeSecretFiles(r.secrets, secrets)
	}
}

func (r *process) Stop(ctx context.Context, grace time.Duration) error {
	_ = r.send(order{Stop: grace}) // when it cannot be told, it is ending
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
	}
	_ = syscall.Kill(-r.group, syscall.SIGKILL)
	_ = r.cmd.Process.Kill()
	<-r.done
	return nil
}

func (r *process) Usage(context.Context) (milliCPU float64, bytes int64, err error) {
	return r.usage.measure(r.group, r.info.Started)
}

var (
	_ Replica = (*process)(nil)
	_ Usager  = (*process)(nil)
)

// tailWriter keeps the last bytes written to it. It is for one writer, and read after the writer's end.
type tailWriter struct{ b []byte }

const tailSize = 2 << 10

func (w *tailWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	if len(w.b) > tailSize {
		w.b = w.b[len(w.b)-tailSize:]
	}
	return len(p), nil
}

func (w *tailWriter) String() string { return string(w.b) }
