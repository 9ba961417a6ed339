package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitsMemory says that memory limits are enforced.
const limitsMemory = true

// memoryEvery is how often the memory of a function with a limit is looked at. There is no cgroup that every user may
// create, and RLIMIT_AS counts what Go and others merely reserve, so the resident set is sampled.
const memoryEvery = 100 * time.Millisecond

// adoptOrphans makes processes whose parent ended ours, however they detached themselves, so that none escapes endAll. It
// also keeps files that came open from the user's shell from the function.
func adoptOrphans() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // since Linux 5.11
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)          // since Linux 3.4
}

// children lists the direct children of a process.
func children(pid int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	var all []int
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue
		}
		for field := range bytes.FieldsSeq(b) {
			if n, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// descendants lists a process and all below it.
func descendants(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children(all[i])...)
	}
	return all
}

// endAll ends everything that a function started, once its first process has ended.
func endAll(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	self := os.Getpid()
	for {
		all := children(self)
		if len(all) == 0 {
			return
		}
		for _, child := range all {
			for _, d := range descendants(child) {
				_ = syscall.Kill(d, syscall.SIGKILL)
			}
			var status syscall.WaitStatus
			_, _ = syscall.Wait4(child, &status, 0, nil)
		}
	}
}

// reapOrphans buries processes that a function left behind. The function's first process is not its to bury.
func reapOrphans(pid int) {
	for _, child := range children(os.Getpid()) {
		if child != pid {
			var status syscall.WaitStatus
			_, _ = syscall.Wait4(child, &status, syscall.WNOHANG, nil)
		}
	}
}

// residentBytes adds up the resident sets of a process and all below it. Shared pages count for each.
func residentBytes(pid int) int64 {
	var pages int64
	for _, d := range descendants(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", d))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b))
		if len(fields) > 1 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}

// cpuTicks adds up the CPU time of a process and all below it, in ticks of 10 ms.
func cpuTicks(pid int) int64 {
	var ticks int64
	for _, d := range descendants(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d))
		if err != nil {
			continue
		}
		// The second field may contain anything, in parentheses; user and system time are fields 14 and 15: proc(5).
		if i := bytes.LastIndexByte(b, ')'); i > 0 {
			if fields := strings.Fields(string(b[i+1:])); len(fields) > 13 {
				user, _ := strconv.ParseInt(fields[11], 10, 64)
				system, _ := strconv.ParseInt(fields[12], 10, 64)
				ticks += user + system
			}
		}
	}
	return ticks
}

// mountMode is how a function can be given its own view of the file system.
type mountMode string

const (
	noMounts   mountMode = ""     // it cannot
	rootMounts mountMode = "root" // a mount namespace
	userMounts mountMode = "user" // a mount namespace within a user namespace
)

// capSysAdmin is CAP_SYS_ADMIN of capabilities(7).
const capSysAdmin = 21

// apply makes a process start in namespaces of its own. It keeps the user's identity.
func (m mountMode) apply(attr *syscall.SysProcAttr) {
	switch m {
	case rootMounts:
		attr.Cloneflags = syscall.CLONE_NEWNS
	case userMounts:
		attr.Cloneflags = syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		attr.AmbientCaps = []uintptr{capSysAdmin} // it would lose it by the exec, as its user is not root in there either
	case noMounts:
	}
}

// probeMounts finds out which mode this system allows, by trying.
func probeMounts(supervisor []string) mountMode {
	for _, mode := range []mountMode{rootMounts, userMounts} {
		// Our own program, which ends at once.
		cmd := &exec.Cmd{Path: supervisor[0], Args: append(supervisor[:len(supervisor):len(supervisor)], probeArg), Env: []string{}, SysProcAttr: &syscall.SysProcAttr{}}
		mode.apply(cmd.SysProcAttr)
		if cmd.Run() == nil {
			return mode
		}
	}
	return noMounts
}

// probe tries, inside a namespace, what expose does.
func probe() error {
	if err := isolateMounts(); err != nil {
		return err
	}
	return unix.Mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700")
}

// isolateMounts keeps what is mounted from here on to this namespace.
func isolateMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("isolate mounts: %w", err)
	}
	return nil
}

// execute makes the function's view of the file system and becomes the function.
func execute(stdin io.Reader) error {
	var l launch
	if err := json.NewDecoder(stdin).Decode(&l); err != nil {
		return fmt.Errorf("read instructions: %w", err)
	}
	if err := isolateMounts(); err != nil {
		return err
	}
	if err := expose(l.Secrets, SecretsPath, l.Staging); err != nil {
		return fmt.Errorf("mount secrets: %w", err)
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	null, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := unix.Dup2(null, 0); err != nil {
		return err
	}
	if err := unix.Chdir(l.Dir); err != nil { // the folder may lie under what was mounted
		return err
	}
	return &os.PathError{Op: "execute", Path: l.Path, Err: syscall.Exec(l.Path, l.Args, l.Env)} //nolint:gosec // what we were told to
}

// expose mounts the folder src at the path dst, which need not exist: then the deepest folder above it that exists is
// covered by one that has its entries and the missing ones. staging is an empty place to prepare that.
func expose(src, dst, staging string) error {
	if fi, err := os.Stat(dst); err != nil || !fi.IsDir() {
		if err := makeRoom(dst, staging); err != nil {
			return err
		}
	}
	if err := unix.Mount(src, dst, "", unix.MS_BIND, ""); err != nil {
		return &os.PathError{Op: "mount", Path: dst, Err: err}
	}
	return nil
}

func makeRoom(dst, staging string) error {
	base := filepath.Dir(dst)
	for {
		fi, err := os.Stat(base)
		if err == nil && fi.IsDir() {
			break
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		base = filepath.Dir(base)
	}
	if err := os.MkdirAll(staging, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", staging, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return &os.PathError{Op: "mount", Path: staging, Err: err}
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := mirror(filepath.Join(base, e.Name()), filepath.Join(staging, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	rest, err := filepath.Rel(base, dst)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(staging, rest), 0o755); err != nil { //nolint:gosec // as the folders it stands for
		return err
	}
	if err := unix.Mount(staging, base, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &os.PathError{Op: "mount", Path: base, Err: err}
	}
	return nil
}

// mirror makes dst what src is, in the view that is being prepared.
func mirror(src, dst string, kind fs.FileMode) error {
	switch {
	case kind&fs.ModeSymlink != 0:
		link, err := os.Readlink(src)
		if err != nil {
			return err
		}
		return os.Symlink(link, dst)
	case kind.IsDir():
		if err := os.Mkdir(dst, 0o755); err != nil { //nolint:gosec // covered by the mount
			return err
		}
	default:
		f, err := os.OpenFile(dst, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	if err := unix.Mount(src, dst, "", unix.MS_BIND|unix.MS_REC, ""); err != nil && !errors.Is(err, fs.ErrPermission) {
		return &os.PathError{Op: "mount", Path: dst, Err: err} // what the user may not enter anyway stays away
	}
	return nil
}
