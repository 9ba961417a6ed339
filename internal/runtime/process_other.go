//go:build !unix

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// processes refuses everything: this system has no process groups to keep a function together by.
type processes struct{}

// NewProcess returns a runtime that runs nothing on this system.
func NewProcess(ProcessConfig) Runtime { return processes{} }

func (processes) Kind() Kind { return Process }

func (processes) Check(context.Context, Spec) error {
	return fmt.Errorf("%w: functions run as processes on Linux and macOS only", ErrUnsupported)
}

func (processes) Notes(Spec) []string { return nil }

func (p processes) Start(ctx context.Context, s Spec) (Replica, error) { return nil, p.Check(ctx, s) }

func (processes) Adopt(context.Context, func(Ref) bool) ([]Replica, error) { return nil, nil }

func (processes) Logs(context.Context, Ref, LogQuery) iter.Seq2[LogLine, error] {
	return func(func(LogLine, error) bool) {}
}

func (processes) Forget(context.Context, Ref) error { return nil }

func (processes) Purge(context.Context) error { return nil }

func (processes) Close() error { return nil }

// Supervise fails: nothing is supervised on this system.
func Supervise(context.Context, []string, []string, io.Reader, io.Writer) error {
	return errors.New("functions run as processes on Linux and macOS only")
}
