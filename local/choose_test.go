package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// choosy is a runtime that is only asked whether it can run an image.
type choosy struct {
	runtime.Runtime
	kind runtime.Kind
	err  error
}

func (c choosy) Kind() runtime.Kind { return c.kind }

func (c choosy) Adopt(context.Context, func(runtime.Ref) bool) ([]runtime.Replica, error) {
	return nil, nil
}

func (c choosy) Check(context.Context, runtime.Spec) error { return c.err }

func TestAutoChoosesTheRuntimeAndSaysWhy(t *testing.T) {
	t.Parallel()
	notNative := fmt.Errorf("%w: image %q was not built here by the native builder", runtime.ErrUnsupported, "me/fn")
	noImage := fmt.Errorf("%w: nowhere", runtime.ErrNoImage)
	away := errors.New("the engine is away")
	process := func(err error) runtime.Runtime { return choosy{kind: runtime.Process, err: err} }
	docker := func(err error) runtime.Runtime { return choosy{kind: runtime.Docker, err: err} }
	tests := []struct {
		name     string
		runtimes []runtime.Runtime
		want     runtime.Kind // empty: an error
		says     string       // the choice, or the error
	}{
		{"built by native", []runtime.Runtime{process(nil), docker(nil)}, runtime.Process, "process (the image is made for it)"},
		{"built by docker", []runtime.Runtime{process(notNative), docker(nil)}, runtime.Docker, "docker (process: not supported by this runtime: image \"me/fn\" was not built here by the native builder)"},
		{"nothing to choose", []runtime.Runtime{docker(nil)}, runtime.Docker, ""},
		{"nobody can", []runtime.Runtime{process(notNative), docker(noImage)}, "", "was not built here by the native builder; docker: no such image: nowhere"},
		{"an engine that fails", []runtime.Runtime{process(notNative), docker(away)}, "", "docker: the engine is away"},
		{"no engine", []runtime.Runtime{process(notNative)}, "", "by the native builder; this platform runs what the native builder made and no containers: build with --builder native, or start the platform with --runtime auto or docker"},
	}
	for _, tt := range tests {
		var log strings.Builder
		var sources []RuntimeSource
		for _, rt := range tt.runtimes {
			sources = append(sources, Ready(rt))
		}
		fl := &fleet{runtimes: newAttachments(sources), life: t.Context(), log: slog.New(slog.NewTextHandler(&log, nil))}
		rt, _, choice, err := fl.choose(t.Context(), runtime.Spec{Image: "me/fn"})
		switch {
		case tt.want == "":
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: error %v; want %q in it", tt.name, err, tt.says)
			}
		case err != nil || rt.Kind() != tt.want || choice != tt.says || (choice == "") != (log.Len() == 0):
			t.Errorf("%s: %v, %q, log %q; want %s and %q", tt.name, err, choice, log.String(), tt.want, tt.says)
		}
	}
}
