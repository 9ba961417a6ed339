//go:build unix && !linux

package runtime

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// limitsMemory says that memory limits are enforced.
const limitsMemory = false

const memoryEvery = time.Second

// mountMode is how a function can be given its own view of the file system; only Linux can.
type mountMode string

const noMounts mountMode = ""

func (mountMode) apply(*syscall.SysProcAttr) {}

func probeMounts([]string) mountMode { return noMounts }

func adoptOrphans() {}

// endAll ends the function's process group; what left it escapes.
func endAll(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

func reapOrphans(int) {}

func residentBytes(int) int64 { return 0 }

func cpuTicks(int) int64 { return 0 }

var errOnlyLinux = errors.New("private mounts need Linux")

func probe() error { return errOnlyLinux }

func execute(io.Reader) error { return errOnlyLinux }

// group limits nothing: control groups are Linux's.
type group struct{}

func canLimitCPU() bool { return false }

func newGroup(string, int64, int64) (*group, error) { return nil, nil }

func (*group) within(start func() (*os.Process, error)) (*os.Process, error) { return start() }

func (*group) limitsMemory() bool { return false }

func (*group) killed() bool { return false }

func (*group) remove() {}
