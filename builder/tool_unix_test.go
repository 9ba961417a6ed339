//go:build unix

package builder

import (
	"context"
	"errors"
	"strconv"
	"syscall"
	"testing"
)

// TestToolIsNotReachedByTheTerminal ensures that a Ctrl-C, which goes to our
// process group, is passed on to a tool and everything it started, and to nothing
// before we know of it.
func TestToolIsNotReachedByTheTerminal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	said := map[string]bool{}
	var child int
	sh := tool{name: "sh", path: "/bin/sh", args: []string{"-c", `sh -c 'trap "echo child interrupted; exit" INT; echo $$; while :; do sleep 0.05; done'; true`}}
	err := sh.run(ctx, func(line string) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			said[line] = true
			return
		}
		child = pid
		group, err := syscall.Getpgid(pid)
		if err != nil || group == syscall.Getpgrp() {
			t.Errorf("group of the tool %d, ours %d: %v", group, syscall.Getpgrp(), err)
		}
		cancel(interrupted)
	})
	if !errors.Is(err, interrupted) || child == 0 || !said["child interrupted"] {
		t.Errorf("error %v, child %d said %v", err, child, said)
	}
}
