//go:build linux

package runtime_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/processtest"
	"github.com/faas-cli/faas-cli/internal/runtime"
)

func TestControlGroupsAreFoundInEveryLayout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mounts, groups string
		want           map[string]string
	}{
		"version 2": {
			"24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n30 1 0:9 / /proc rw - proc proc rw\n",
			"0::/user.slice/user-1000.slice/session-1.scope\n",
			map[string]string{"": "/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope"},
		},
		"both": {
			"1 0 0:1 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n2 0 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n3 0 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"5:memory:/a/b\n4:cpu,cpuacct:/\n1:name=systemd:/x\n0::/y\n",
			map[string]string{"cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "memory": "/sys/fs/cgroup/memory/a/b", "": "/sys/fs/cgroup/unified/y"},
		},
		"a container that sees its own part": {
			"1 0 0:1 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
			"4:cpu:/docker/1f/inner\n",
			map[string]string{"cpu": "/sys/fs/cgroup/cpu/inner"},
		},
		"a group outside of what is mounted": {
			"1 0 0:1 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
			"4:cpu:/elsewhere\n",
			map[string]string{"cpu": "/sys/fs/cgroup/cpu"},
		},
		"none": {"garbage\n", "\n", map[string]string{}},
	} {
		if got := runtime.OwnGroups(c.mounts, c.groups); !maps.Equal(got, c.want) {
			t.Errorf("%s: %q; want %q", name, got, c.want)
		}
	}
}

// In version 2 a group with processes has no groups below it that could limit, so one above it is looked for.
func TestControlGroupIsMadeWhereItsControllerIsOn(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	own := filepath.Join(top, "user.slice", "app.scope")
	if err := os.MkdirAll(own, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, controllers := range map[string]string{top: "cpu memory pids\n", filepath.Dir(own): "memory pids\n", own: "\n"} {
		for name, text := range map[string]string{"cgroup.subtree_control": controllers, "cgroup.procs": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for controller, want := range map[string]string{"memory": filepath.Dir(own), "cpu": top, "io": ""} {
		if got := runtime.UnifiedGroupParent(top, own, controller); got != want {
			t.Errorf("%s: %q; want %q", controller, got, want)
		}
	}
}

func needCPULimits(t *testing.T) {
	t.Helper()
	if !runtime.CanLimitCPU() {
		t.Skip("LEFT OUT: this system lets us make no control group with a CPU limit")
	}
}

func TestProcessKeepsToItsCPULimit(t *testing.T) {
	t.Parallel()
	needCPULimits(t)
	p := newProcess(t, t.TempDir(), processtest.Image(t))
	s := processSpec()
	s.MilliCPU = 200
	if notes := p.Notes(s); len(notes) > 0 {
		t.Errorf("notes = %q", notes)
	}
	r := startProcess(t, p, s)
	groups := groupsOf(t, r.Info().ID)
	if len(groups) == 0 {
		t.Fatal("it is in no control group")
	}
	usage := r.(runtime.Usager)
	if _, _, err := usage.Usage(t.Context()); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get("http://" + r.Info().Address + "/burn?ms=1500")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if used, _, err := usage.Usage(t.Context()); err != nil || used > 300 {
		t.Errorf("it used %.0f thousandths of a CPU, %v; want at most 200 and a period more", used, err)
	}
	if err := r.Stop(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	for _, dir := range groups {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}

func TestProcessThatExceedsItsMemoryInAnInstantIsEnded(t *testing.T) {
	t.Parallel()
	if runtime.FindGroupParent("memory") == "" {
		t.Skip("LEFT OUT: this system lets us make no control group with a memory limit")
	}
	p := newProcess(t, t.TempDir(), processtest.Image(t))
	s := processSpec()
	s.Memory = 100 << 20
	r := startProcess(t, p, s)
	if res, err := http.Get("http://" + r.Info().Address + "/eat?mib=400"); err == nil {
		_ = res.Body.Close()
	}
	<-r.Done()
	if e := r.Exit(); !e.OutOfMemory {
		t.Errorf("exit = %+v; want out of memory", e)
	}
}

func TestGroupsOfKilledSupervisorsAreRemoved(t *testing.T) {
	t.Parallel()
	needCPULimits(t)
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	parent := runtime.FindGroupParent("cpu")
	left := filepath.Join(parent, fmt.Sprintf("faas-cli-%d-left", ended.Process.Pid))
	inUse := filepath.Join(parent, fmt.Sprintf("faas-cli-%d-use", os.Getpid()))
	for _, dir := range []string{left, inUse} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
	}
	runtime.SweepGroups(parent)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the group of a process that ended is left: %v", err)
	}
	if _, err := os.Stat(inUse); err != nil {
		t.Errorf("the group of a process that runs is gone: %v", err)
	}
}

// groupsOf lists the control groups of a replica.
func groupsOf(t *testing.T, id string) []string {
	t.Helper()
	var all []string
	for _, controller := range []string{"cpu", "memory"} {
		found, err := filepath.Glob(filepath.Join(runtime.FindGroupParent(controller), "faas-cli-*-"+id))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range found {
			if procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err == nil && strings.TrimSpace(string(procs)) != "" {
				all = append(all, dir)
			}
		}
	}
	return all
}
