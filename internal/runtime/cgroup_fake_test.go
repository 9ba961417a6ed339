//go:build linux

package runtime_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/faas-cli/faas-cli/internal/processtest"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

// groupFolders makes folders that stand for groups, each with what its files hold.
func groupFolders(t *testing.T, folders map[string]map[string]string) {
	t.Helper()
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range folders[dir] {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// fakeUnified is a tree of version 2 with a session's group in it, as a system with systemd has it.
func fakeUnified(t *testing.T) (f runtime.FakeGroups, slice string) {
	t.Helper()
	top := t.TempDir()
	slice = filepath.Join(top, "user.slice")
	own := filepath.Join(slice, "session-1.scope")
	groupFolders(t, map[string]map[string]string{
		slice: {"cgroup.subtree_control": "cpu memory pids\n", "cgroup.procs": ""},
		own:   {"cgroup.subtree_control": "\n", "cgroup.procs": ""},
	})
	return runtime.FakeGroups{
		Unified: true, Top: map[string]string{"": top}, Own: map[string]string{"": own},
		Files: map[string]string{
			"cgroup.procs": "", "cpu.max": "", "memory.max": "", "memory.swap.max": "", "memory.oom.group": "",
			"memory.events": "low 0\noom 1\noom_kill 0\n",
		},
	}, slice
}

// fakeVersion1 is a tree for the CPU and one for memory.
func fakeVersion1(t *testing.T) runtime.FakeGroups {
	t.Helper()
	top := t.TempDir()
	cpu, memory := filepath.Join(top, "cpu"), filepath.Join(top, "memory")
	own := map[string]string{"cpu": cpu, "memory": filepath.Join(memory, "session")}
	groupFolders(t, map[string]map[string]string{own["cpu"]: {"cgroup.procs": ""}, own["memory"]: {"cgroup.procs": ""}})
	return runtime.FakeGroups{
		Top: map[string]string{"cpu": cpu, "memory": memory}, Own: own,
		Files: map[string]string{
			"cgroup.procs": "", "cpu.cfs_period_us": "", "cpu.cfs_quota_us": "", "memory.limit_in_bytes": "", "memory.memsw.limit_in_bytes": "",
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
		},
	}
}

// wantFiles compares what files of a folder hold.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s = %q, %v; want %q", filepath.Join(filepath.Base(dir), name), got, err, text)
		}
	}
}

func TestGroupOfVersion2LimitsAll(t *testing.T) {
	t.Parallel()
	f, slice := fakeUnified(t)
	g, err := f.Make("fn-1", 200, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	if dirs := g.Dirs(); len(dirs) != 1 || filepath.Dir(dirs[0]) != slice || !g.LimitsMemory() {
		t.Fatalf("groups = %q, limits memory: %v; want one in %q", dirs, g.LimitsMemory(), slice)
	}
	dir := g.Dirs()[0]
	wantFiles(t, dir, map[string]string{"cpu.max": "20000 100000", "memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1"})

	// The supervisor is in the group while it starts the function, and only then.
	err = g.Within(func() {
		wantFiles(t, dir, map[string]string{"cgroup.procs": "0"})
		wantFiles(t, f.Own[""], map[string]string{"cgroup.procs": ""})
	})
	if err != nil {
		t.Error(err)
	}
	wantFiles(t, f.Own[""], map[string]string{"cgroup.procs": "0"})

	if g.Killed() {
		t.Error("it was killed for want of memory before it was")
	}
	groupFolders(t, map[string]map[string]string{dir: {"memory.events": "low 0\noom 1\noom_kill 1\n"}})
	if !g.Killed() {
		t.Error("it was not killed for want of memory when it was")
	}
}

func TestGroupsOfVersion1LimitAll(t *testing.T) {
	t.Parallel()
	f := fakeVersion1(t)
	g, err := f.Make("fn-1", 1500, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	dirs := g.Dirs()
	if len(dirs) != 2 || filepath.Dir(dirs[0]) != f.Own["cpu"] || filepath.Dir(dirs[1]) != f.Own["memory"] || !g.LimitsMemory() {
		t.Fatalf("groups = %q, limits memory: %v; want one in each of %q", dirs, g.LimitsMemory(), f.Own)
	}
	wantFiles(t, dirs[0], map[string]string{"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"})
	wantFiles(t, dirs[1], map[string]string{"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864"})
	err = g.Within(func() {
		for _, dir := range dirs {
			wantFiles(t, dir, map[string]string{"cgroup.procs": "0"})
		}
	})
	if err != nil {
		t.Error(err)
	}
	for _, dir := range f.Own {
		wantFiles(t, dir, map[string]string{"cgroup.procs": "0"})
	}
	groupFolders(t, map[string]map[string]string{dirs[1]: {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}})
	if !g.Killed() {
		t.Error("it was not killed for want of memory when it was")
	}
}

func TestGroupLimitsNoMoreThanAsked(t *testing.T) {
	t.Parallel()
	f, _ := fakeUnified(t)
	for _, c := range []struct {
		milliCPU, memory int64
		want             map[string]string
	}{
		{1, 0, map[string]string{"cpu.max": "1000 100000", "memory.max": ""}}, // the kernel takes no less
		{0, 1 << 20, map[string]string{"cpu.max": "", "memory.max": "1048576"}},
	} {
		g, err := f.Make("fn-"+strings.Repeat("x", int(c.milliCPU+1)), c.milliCPU, c.memory)
		if err != nil {
			t.Fatal(err)
		}
		wantFiles(t, g.Dirs()[0], c.want)
		if g.LimitsMemory() != (c.memory > 0) {
			t.Errorf("limits memory: %v", g.LimitsMemory())
		}
	}
	if g, err := f.Make("fn-free", 0, 0); err != nil || g.Dirs() != nil {
		t.Errorf("a function without limits is in %q, %v", g.Dirs(), err)
	}
}

// refuses is a file that answers every number of ours with EINVAL, as a control file does whose outer group allows less.
const refuses = "-> /proc/self/oom_score_adj"

func TestGroupWhoseLimitIsRefused(t *testing.T) {
	t.Parallel()
	f := fakeVersion1(t)
	f.Files["cpu.cfs_quota_us"] = refuses
	if _, err := f.Make("fn-outer", 1500, 0); err != nil {
		t.Errorf("an outer group that allows less keeps the function from starting: %v", err)
	}
	f, _ = fakeUnified(t)
	f.Files["memory.max"] = refuses
	if _, err := f.Make("fn-broken", 0, 64<<20); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("err = %v; want EINVAL", err)
	}
	delete(f.Files, "cpu.max")
	if _, err := f.Make("fn-lacks", 200, 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v; want one that says that the file is missing", err)
	}
}

// What a system lacks that ordinary users can have, or only root: a note says it when the function is deployed.
func TestOrdinaryUsersAreToldWhichLimitsAreNotEnforced(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become an ordinary user")
	}
	p := newProcess(t, t.TempDir(), processtest.Image(t))
	s := processSpec()
	s.MilliCPU, s.Memory = 200, 64<<20
	notes := make(chan []string)
	go func() {
		goruntime.LockOSThread() // and never unlocked: the thread ends with the goroutine, and with it what it has become
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
		}
		notes <- p.Notes(s)
	}()
	got := <-notes
	if len(got) != 1 || !strings.Contains(got[0], "the CPU limit of fn is not enforced") {
		t.Errorf("notes = %q; want one about the CPU limit, and none about memory, which is kept without control groups", got)
	}
}
