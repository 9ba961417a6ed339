//go:build linux

package runtime

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Disconnect closes the supervisor's standard input, as the death of the gateway does.
func (r *process) Disconnect() error { return r.stdin.Close() }

// What tests of control groups need.
var (
	CanLimitCPU     = canLimitCPU
	FindGroupParent = func(controller string) string { return findGroupParent(controller).dir }
	SweepGroups     = sweepGroups
)

// OwnGroups returns the folder of this process's group in each tree, by controllers ("" is version 2).
func OwnGroups(mounts, groups string) map[string]string {
	own := map[string]string{}
	for _, h := range parseHierarchies(mounts, groups) {
		own[strings.Join(h.controllers, ",")] = h.own
	}
	return own
}

// FakeGroups are control groups in folders that stand for the kernel's: of one tree of version 2, or of a tree of version
// 1 for each controller. files are the control files of a new group, with what a read of them gives.
type FakeGroups struct {
	Unified  bool
	Top, Own map[string]string // folders by controller, "" for version 2
	Files    map[string]string
}

// FakeGroup is a group made there.
type FakeGroup struct{ g *group }

// Make makes a group.
func (f FakeGroups) Make(id string, milliCPU, memory int64) (FakeGroup, error) {
	m := groupMaker{mkdir: f.mkdir}
	for _, controller := range slices.Sorted(maps.Keys(f.Top)) {
		h := hierarchy{unified: f.Unified, top: f.Top[controller], own: f.Own[controller]}
		if !f.Unified {
			h.controllers = []string{controller}
		}
		m.trees = append(m.trees, h)
	}
	g, err := m.group(id, milliCPU, memory)
	return FakeGroup{g}, err
}

func (f FakeGroups) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, text := range f.Files {
		path := filepath.Join(dir, name)
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(target, path); err != nil {
				return err
			}
		} else if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Dirs are the folders of the group.
func (g FakeGroup) Dirs() []string {
	if g.g == nil {
		return nil
	}
	return g.g.dirs
}

// Within calls start as a member of the group.
func (g FakeGroup) Within(start func()) error {
	_, err := g.g.within(func() (*os.Process, error) { start(); return nil, nil })
	return err
}

// LimitsMemory and Killed are what the supervisor asks.
func (g FakeGroup) LimitsMemory() bool { return g.g.limitsMemory() }
func (g FakeGroup) Killed() bool       { return g.g.killed() }

// UnifiedGroupParent is the parent that a process in the folder own of a tree of version 2 finds.
func UnifiedGroupParent(top, own, controller string) string {
	return groupParentIn([]hierarchy{{unified: true, top: top, own: own}}, controller).dir
}
