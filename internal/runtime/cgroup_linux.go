package runtime

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupPrefix begins the names of our control groups; the process that made one follows, and the replica.
const groupPrefix = "faas-cli-"

const (
	cpuPeriod   = 100_000 // microseconds; the kernel's default
	cpuQuotaMin = 1_000   // microseconds; the kernel takes no less
)

// hierarchy is a tree of control groups, as this process sees it. Source of truth: cgroups(7), cgroup-v2.rst.
type hierarchy struct {
	unified     bool     // version 2: one tree for all controllers
	controllers []string // of a tree of version 1
	top, own    string   // folders: of the tree, and of this process's group
}

// groupParent is a folder in which control groups with some controller can be made; the zero value says that there is none.
type groupParent struct {
	dir     string
	unified bool
	own     string // the group that this process is in
}

// hierarchies lists the trees that are mounted.
func hierarchies() []hierarchy {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	return parseHierarchies(string(mounts), string(groups))
}

// parseHierarchies reads /proc/self/mountinfo and /proc/self/cgroup.
func parseHierarchies(mounts, groups string) []hierarchy {
	paths := map[string]string{} // of this process, by controllers as the file lists them; "" is version 2
	for line := range strings.Lines(groups) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for controller := range strings.SplitSeq(f[1], ",") {
				paths[controller] = f[2]
			}
		}
	}
	var all []hierarchy
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(kind) < 3 {
			continue
		}
		root, top := mount[3], mount[4]
		h := hierarchy{unified: kind[0] == "cgroup2", top: top, own: top}
		path, known := paths[""], h.unified
		if kind[0] == "cgroup" {
			for option := range strings.SplitSeq(kind[2], ",") {
				if p, ok := paths[option]; ok && option != "" {
					path, known = p, true
					h.controllers = append(h.controllers, option)
				}
			}
		}
		if !known {
			continue
		}
		if below, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(below) {
			h.own = filepath.Join(top, below)
		}
		all = append(all, h)
	}
	return all
}

// findGroupParent looks for a folder where groups with the controller can be made, and tries it.
func findGroupParent(controller string) groupParent { return groupParentIn(hierarchies(), controller) }

func groupParentIn(trees []hierarchy, controller string) groupParent {
	for _, h := range trees {
		if !h.unified && !slices.Contains(h.controllers, controller) {
			continue
		}
		for dir := h.own; ; dir = filepath.Dir(dir) {
			if p := (groupParent{dir, h.unified, h.own}); p.offers(controller) && p.try() {
				return p
			}
			if !h.unified || dir == h.top || len(dir) < len(h.top) {
				break // in version 1 every group may have both processes and groups, so our own would do
			}
		}
	}
	return groupParent{}
}

// offers says whether groups in p have the controller. In version 2 the parent decides that; we change nothing about it.
func (p groupParent) offers(controller string) bool {
	if !p.unified {
		return true
	}
	enabled, err := os.ReadFile(filepath.Join(p.dir, "cgroup.subtree_control"))
	return err == nil && slices.Contains(strings.Fields(string(enabled)), controller)
}

// try makes a group and removes it again. To move a process one must be allowed to write to the common ancestor as well.
func (p groupParent) try() bool {
	if p.unified && unix.Access(filepath.Join(p.dir, "cgroup.procs"), unix.W_OK) != nil {
		return false
	}
	dir, err := os.MkdirTemp(p.dir, fmt.Sprintf("%s%d-", groupPrefix, os.Getpid()))
	return err == nil && os.Remove(dir) == nil
}

// canLimitCPU says whether control groups with a CPU limit can be made here.
func canLimitCPU() bool { return findGroupParent("cpu").dir != "" }

// groupMaker makes control groups in trees that are mounted.
type groupMaker struct {
	trees []hierarchy
	mkdir func(dir string) error // the kernel puts the group's files there
}

// group is the control group of a replica; nil limits nothing.
type group struct {
	maker  groupMaker
	dirs   []string // one per tree
	own    []string // where this process came from, in the same order
	memory string   // the one that limits memory, or empty
}

// newGroup makes a group that limits what can be limited here; nil when that is nothing.
func newGroup(id string, milliCPU, memory int64) (*group, error) {
	mkdir := func(dir string) error { return os.Mkdir(dir, 0o755) } //nolint:gosec // the usual mode of control groups
	return groupMaker{hierarchies(), mkdir}.group(id, milliCPU, memory)
}

func (m groupMaker) group(id string, milliCPU, memory int64) (*group, error) {
	g := &group{maker: m}
	name := fmt.Sprintf("%s%d-%s", groupPrefix, os.Getpid(), id)
	err := g.limitCPU(name, milliCPU)
	if err == nil {
		err = g.limitMemory(name, memory)
	}
	if err != nil {
		g.remove()
		return nil, err
	}
	if len(g.dirs) == 0 {
		return nil, nil
	}
	return g, nil
}

func (g *group) limitCPU(name string, milli int64) error {
	if milli == 0 {
		return nil
	}
	p := groupParentIn(g.maker.trees, "cpu")
	if p.dir == "" {
		return nil
	}
	dir, err := g.add(p, name)
	if err != nil {
		return err
	}
	quota := strconv.FormatInt(max(milli*cpuPeriod/1000, cpuQuotaMin), 10)
	if p.unified {
		return set(dir, "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
	}
	err = cmp.Or(set(dir, "cpu.cfs_period_us", strconv.Itoa(cpuPeriod)), set(dir, "cpu.cfs_quota_us", quota))
	if errors.Is(err, unix.EINVAL) { // an outer group allows less
		return nil
	}
	return err
}

func (g *group) limitMemory(name string, bytes int64) (err error) {
	if bytes == 0 {
		return nil
	}
	p := groupParentIn(g.maker.trees, "memory")
	if p.dir == "" {
		return nil
	}
	if g.memory, err = g.add(p, name); err != nil {
		return err
	}
	limit := strconv.FormatInt(bytes, 10)
	if p.unified {
		_ = set(g.memory, "memory.oom.group", "1") // end all of it at once
		_ = set(g.memory, "memory.swap.max", "0")  // absent without swap
		return set(g.memory, "memory.max", limit)
	}
	err = set(g.memory, "memory.limit_in_bytes", limit)
	_ = set(g.memory, "memory.memsw.limit_in_bytes", limit) // absent where swap is not counted
	return err
}

// add makes the group in p, or finds it there.
func (g *group) add(p groupParent, name string) (dir string, err error) {
	dir = filepath.Join(p.dir, name)
	if slices.Contains(g.dirs, dir) {
		return dir, nil
	}
	sweepGroups(p.dir)
	if err := g.maker.mkdir(dir); err != nil {
		return "", err
	}
	g.dirs, g.own = append(g.dirs, dir), append(g.own, p.own)
	return dir, nil
}

// sweepGroups removes groups whose maker was killed before it could. Those that are in use cannot be removed.
func sweepGroups(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*-*"))
	for _, dir := range left {
		maker, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if pid, err := strconv.Atoi(maker); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.Remove(dir)
		}
	}
}

// within calls start as a member of the group, so that what it starts is one from its first instruction.
func (g *group) within(start func() (*os.Process, error)) (p *os.Process, err error) {
	if g == nil {
		return start()
	}
	for _, dir := range g.dirs {
		err = cmp.Or(err, set(dir, "cgroup.procs", "0"))
	}
	if err == nil {
		p, err = start()
	}
	for _, dir := range g.own {
		_ = set(dir, "cgroup.procs", "0") // where that fails, the limits count the supervisor too
	}
	return p, err
}

// limitsMemory says that the kernel keeps the group within a memory limit.
func (g *group) limitsMemory() bool { return g != nil && g.memory != "" }

// killed says whether the kernel ended a process of the group for want of memory.
func (g *group) killed() bool {
	if !g.limitsMemory() {
		return false
	}
	for _, name := range []string{"memory.events", "memory.oom_control"} { // version 2, version 1
		b, err := os.ReadFile(filepath.Join(g.memory, name))
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
			if n, ok := strings.CutPrefix(s.Text(), "oom_kill "); ok {
				return n != "0"
			}
		}
	}
	return false
}

// remove removes the group, whose processes have ended.
func (g *group) remove() {
	if g == nil {
		return
	}
	for _, dir := range g.dirs {
		_ = os.Remove(dir)
	}
}

// set writes a value to a file of a control group.
func set(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
