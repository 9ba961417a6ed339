//go:build unix

package runtime

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Arguments of the supervisor's command line.
const (
	superviseArg = "run"   // supervise a function
	executeArg   = "exec"  // prepare the function's view of the file system, and become the function
	probeArg     = "probe" // find out whether that is possible
)

const (
	// orphanGrace is how long a function may take to end when its gateway was killed. Nobody waits for its answers.
	orphanGrace = 2 * time.Second
	// outputGrace is how long output is read after the last process has ended; some stranger may hold the pipe.
	outputGrace = time.Second
	reapEvery   = 500 * time.Millisecond
)

// Supervise is the supervisor of one function, in a process of its own: it starts the function in a process group,
// keeps its output, and ends all of it when it is told to, when the gateway at the other end of stdin goes away, or when
// the function itself ends. args are those that the runtime appended to its command line; self is that command line.
func Supervise(ctx context.Context, self, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("the supervisor is started by the platform, not by hand")
	}
	switch args[0] {
	case superviseArg:
		return supervise(ctx, self, stdin, stdout)
	case executeArg:
		return execute(stdin)
	case probeArg:
		return probe()
	}
	return fmt.Errorf("supervisor: unknown argument %q", args[0])
}

// supervisor is the state of one supervision.
type supervisor struct {
	launch launch
	out    *json.Encoder // events
	pid    int           // of the function, and its process group
	group  *group        // control group, nil: none
	oom    bool
	status syscall.WaitStatus
	ended  chan struct{} // closed when the function's first process has ended
}

func supervise(ctx context.Context, self []string, stdin io.Reader, stdout io.Writer) error {
	signal.Ignore(syscall.SIGHUP) // a closed terminal is the gateway's concern
	in := bufio.NewReader(stdin)
	s := &supervisor{out: json.NewEncoder(stdout), ended: make(chan struct{})}
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read instructions: %w", err)
	}
	if err := json.Unmarshal(line, &s.launch); err != nil {
		return fmt.Errorf("read instructions: %w", err)
	}
	held, err := os.OpenFile(s.launch.Lock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return s.failed(err)
	}
	defer func() { _ = held.Close() }()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_SH); err != nil {
		return s.failed(err)
	}
	adoptOrphans()
	log, err := openLog(s.launch.LogDir, s.launch.ID)
	if err != nil {
		return s.failed(err)
	}
	defer func() { _ = log.Close() }()
	output, input, err := os.Pipe()
	if err != nil {
		return s.failed(err)
	}
	if s.group, err = newGroup(s.launch.ID, s.launch.CPU, s.launch.Memory); err != nil {
		return s.failed(fmt.Errorf("limit its CPU and memory: %w", err))
	}
	p, err := s.group.within(func() (*os.Process, error) { return s.start(self, input) })
	_ = input.Close()
	if err != nil {
		s.group.remove()
		return s.failed(err)
	}
	s.pid = p.Pid
	if err := s.out.Encode(event{Started: p.Pid}); err != nil {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
		return err
	}

	var work sync.WaitGroup
	read := make(chan struct{})
	go func() { defer close(read); log.copy(output) }()
	orders := make(chan time.Duration)
	stop := make(chan struct{})
	go s.listen(in, orders, stop) // ends with the process: a read cannot be interrupted
	work.Go(s.wait)
	work.Go(func() { s.watch(stop) })

	s.untilEnd(ctx, orders)
	endAll(s.pid) // what the function started ends with it
	close(stop)
	work.Wait()
	select {
	case <-read:
	case <-time.After(outputGrace):
	}
	exit := s.exit()
	s.group.remove()
	_ = s.out.Encode(event{Exit: exit}) // the last thing: where nobody reads any more, it ends us
	return nil
}

// failed reports that the function could not be started. The reason is the gateway's to tell, so it is no error here.
func (s *supervisor) failed(err error) error {
	return s.out.Encode(event{Failed: err.Error()})
}

// start starts the function, in a group of its own.
func (s *supervisor) start(self []string, output *os.File) (*os.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	l := s.launch
	attr := &os.ProcAttr{Dir: l.Dir, Env: l.Env, Files: []*os.File{null, output, output}, Sys: &syscall.SysProcAttr{Setpgid: true}}
	if l.Mode == noMounts {
		return os.StartProcess(l.Path, l.Args, attr)
	}
	// The function gets a view of the file system of its own, which has to be made from inside: our own program starts
	// there, with these instructions as its standard input, and becomes the function.
	instructions, err := tempInput(l)
	if err != nil {
		return nil, err
	}
	defer func() { _ = instructions.Close() }()
	attr.Files[0] = instructions
	attr.Env = []string{}
	l.Mode.apply(attr.Sys)
	return os.StartProcess(self[0], append(self[:len(self):len(self)], executeArg), attr)
}

// tempInput is a file with l as JSON that has no name any more.
func tempInput(l launch) (*os.File, error) {
	f, err := os.CreateTemp(l.LogDir, ".launch-")
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Remove(f.Name()), json.NewEncoder(f).Encode(l))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// listen reads orders until the gateway is gone, which is an order too.
func (s *supervisor) listen(in *bufio.Reader, orders chan<- time.Duration, stop <-chan struct{}) {
	for {
		grace := orphanGrace
		line, err := in.ReadBytes('\n')
		if err == nil {
			var o order
			if json.Unmarshal(line, &o) != nil {
				continue
			}
			grace = o.Stop
		}
		select {
		case orders <- grace:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// untilEnd returns when the function has ended, by itself or because it was told to.
func (s *supervisor) untilEnd(ctx context.Context, orders <-chan time.Duration) {
	var force <-chan time.Time
	end := func(grace time.Duration) {
		_ = syscall.Kill(-s.pid, syscall.SIGTERM)
		force = time.After(grace)
	}
	cancelled := ctx.Done()
	for {
		select {
		case <-s.ended:
			return
		case grace := <-orders: // a second one may be more pressing
			end(grace)
		case <-cancelled:
			cancelled = nil
			end(orphanGrace)
		case <-force:
			_ = syscall.Kill(-s.pid, syscall.SIGKILL)
			force = nil
		}
	}
}

// wait waits for the function's first process.
func (s *supervisor) wait() {
	defer close(s.ended)
	for {
		_, err := syscall.Wait4(s.pid, &s.status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// watch keeps the function within its memory and takes care of processes that it left behind, until stop.
func (s *supervisor) watch(stop <-chan struct{}) {
	every, sample := reapEvery, s.launch.Memory > 0 && !s.group.limitsMemory()
	if sample {
		every = memoryEvery
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			reapOrphans(s.pid)
			if sample && !s.oom && residentBytes(s.pid) > s.launch.Memory {
				s.oom = true
				_ = syscall.Kill(-s.pid, syscall.SIGKILL)
			}
		}
	}
}

// exit says how the function ended. watch and wait are over.
func (s *supervisor) exit() *Exit {
	oom := s.oom || s.group.killed()
	switch {
	case s.status.Signaled():
		return &Exit{Code: 128 + int(s.status.Signal()), OutOfMemory: oom}
	default:
		return &Exit{Code: s.status.ExitStatus(), OutOfMemory: oom}
	}
}
