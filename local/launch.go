package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/faas-cli/faas-cli/internal/filelock"
)

// lockPoll is how often a platform that stops is looked at.
const lockPoll = 20 * time.Millisecond

// Launch is a platform that is to run in the background.
type Launch struct {
	Dir     string   // state folder
	Command []string // runs the platform in the foreground, and calls ReportReady or ReportFailed on the file of ReadyFD
	Env     []string
}

// ReadyFD is the file descriptor on which a platform in the background reports how its start went.
const ReadyFD = 3

// report is what it says there, as one line of JSON.
type report struct {
	Instance *Instance    `json:"instance,omitempty"`
	Running  *Instance    `json:"running,omitempty"` // another one, which was there before
	Port     *portFailure `json:"port,omitempty"`
	Failed   string       `json:"failed,omitempty"`
}

type portFailure struct {
	Port   int    `json:"port"`
	Holder string `json:"holder,omitempty"`
}

// ReportReady tells who launched the platform that it answers.
func ReportReady(w io.Writer, in Instance) error {
	return json.NewEncoder(w).Encode(report{Instance: &in})
}

// ReportFailed tells who launched the platform why it does not run.
func ReportFailed(w io.Writer, err error) error {
	r := report{Failed: err.Error()}
	var running *RunningError
	var port *PortError
	switch {
	case errors.As(err, &running):
		r.Running = &running.Instance
	case errors.As(err, &port):
		r.Port = &portFailure{Port: port.Port, Holder: port.Holder}
	}
	return json.NewEncoder(w).Encode(r)
}

const (
	maxLogBefore = 1 << 20 // bytes of gateway.log beyond which a start truncates it
	lastOutput   = 2 << 10 // bytes of it that explain a start that failed without a report
	// purgeWait is how long a platform may take to stop: what it drains, and then its functions.
	stopLimit = drainLimit + answerLimit + graceMax
)

// Start runs the platform in the background, apart from the terminal, and returns when it answers. Its output goes to
// gateway.log in the state folder. Errors are those of [Run]. Cancelling ctx ends it.
func (l Launch) Start(ctx context.Context) (Instance, error) {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return Instance{}, fmt.Errorf("start the local platform: %w", err)
	}
	log, err := openGatewayLog(l.Dir)
	if err != nil {
		return Instance{}, fmt.Errorf("start the local platform: %w", err)
	}
	defer func() { _ = log.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		return Instance{}, fmt.Errorf("start the local platform: %w", err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), l.Command[0], l.Command[1:]...) //nolint:gosec // our own program, which outlives ctx
	cmd.Env, cmd.Dir = l.Env, l.Dir                                                        // not the folder it was started in, which somebody may want to remove
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w} // becomes ReadyFD
	detach(cmd)
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return Instance{}, fmt.Errorf("start the local platform: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { interrupt(cmd.Process) })
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if !stop() || err != nil {
		_ = cmd.Wait()
		if ctx.Err() != nil {
			return Instance{}, context.Cause(ctx)
		}
		return Instance{}, fmt.Errorf("start the local platform: it ended (%s): %s", cmd.ProcessState, tailOf(filepath.Join(l.Dir, logFile)))
	}
	var said report
	if err := json.Unmarshal(line, &said); err != nil {
		return Instance{}, fmt.Errorf("start the local platform: %w", err)
	}
	if said.Instance == nil {
		_ = cmd.Wait()
		if said.Running != nil {
			said.Running.dir = l.Dir
		}
		return Instance{}, said.err()
	}
	said.Instance.dir = l.Dir
	return *said.Instance, cmd.Process.Release()
}

// err is the error that was reported.
func (r report) err() error {
	switch {
	case r.Running != nil:
		return &RunningError{Instance: *r.Running}
	case r.Port != nil:
		return &PortError{Port: r.Port.Port, Holder: r.Port.Holder, Err: errors.New(r.Failed)}
	}
	return errors.New(r.Failed)
}

// GatewayLog is the path of what a platform in the background writes.
func GatewayLog(dir string) string { return filepath.Join(dir, logFile) }

// openGatewayLog opens the log, which it truncates when it has grown.
func openGatewayLog(dir string) (*os.File, error) {
	path := GatewayLog(dir)
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLogBefore {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o600)
}

// tailOf returns the end of a file.
func tailOf(path string) []byte {
	b, err := os.ReadFile(path) //nolint:gosec // a file of our own
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(b[max(0, len(b)-lastOutput):])
}

// Stop ends the platform whose state is in dir and waits until it has ended. It fails with [ErrNotRunning] when none
// runs.
func Stop(ctx context.Context, dir string) error {
	in, err := Discover(dir)
	if err != nil {
		return err
	}
	p, err := os.FindProcess(in.PID)
	if err != nil {
		return fmt.Errorf("stop the local platform: %w", err)
	}
	// The process that holds the lock wrote its number into the file, so it is no other's.
	if err := terminate(p); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the local platform: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for {
		if again, err := Discover(dir); err != nil || again.PID != in.PID {
			if !filelock.Held(filepath.Join(dir, lockFile)) {
				return nil
			}
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return fmt.Errorf("stop the local platform: process %d has not ended yet: %w", in.PID, context.Cause(ctx))
		}
	}
}
