//go:build !unix

package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// NativeImages holds the images that a process runtime may run.
type NativeImages interface {
	Native(digest string) bool
	Interpreter(digest string) string
	Image(ctx context.Context, digest string) (v1.Image, error)
}

// ProcessConfig is what a process runtime is made of.
type ProcessConfig struct {
	Dir        string
	Images     NativeImages
	Supervisor []string
	GatewayURL string
	Path       string
	Log        *slog.Logger
}

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
