//go:build linux

package runtime

import "strings"

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

// UnifiedGroupParent is the parent that a process in the folder own of a tree of version 2 finds.
func UnifiedGroupParent(top, own, controller string) string {
	return groupParentIn([]hierarchy{{unified: true, top: top, own: own}}, controller).dir
}
