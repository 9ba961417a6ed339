package commands

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

func TestAutoChoosesTheBuilderAndSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "fn"), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	prepare := func(t *testing.T, template templates.Template) *job {
		t.Helper()
		template.FS = fstest.MapFS{"Dockerfile": {Data: []byte("FROM scratch\n"), Mode: 0o644}}
		fn := stack.Function{Name: "fn", Function: schema.Function{Language: "tpl", Handler: "./fn"}}
		c, err := (&builder.ContextBuilder{Project: root}).Prepare(t.Context(), fn, template)
		if err != nil {
			t.Fatal(err)
		}
		return &job{fn: fn, request: builder.Request{Context: c, Args: map[string]string{builder.AdditionalPackage: ""}}}
	}
	withLocal := schema.Template{Language: "tpl", Local: &schema.LocalBuild{}}
	trusted, foreign := templates.Template{Config: withLocal, Trusted: true}, templates.Template{Config: withLocal}
	noEngine, noTools := &engine.UnavailableError{Err: errors.New("nobody listens")}, errors.New("no Go on this machine")

	tests := []struct {
		name     string
		template templates.Template
		change   func(*builder.Request)
		builder  builderName // empty: auto
		remote   string
		gateway  bool // the target is another gateway than the local platform
		docker   error
		native   error
		want     string // the engine; empty: an error
		why      string // part of the reason, or of the error
		hint     string
	}{
		{name: "trusted, for the local platform", template: trusted, want: "native", why: "template tpl needs no container engine"},
		{name: "for another gateway", template: trusted, gateway: true, want: "docker", why: "what ships is what the Dockerfile says"},
		{name: "not trusted", template: foreign, want: "docker", why: `template "tpl" cannot be built without a container engine`},
		{name: "no local block", template: templates.Template{Config: schema.Template{Language: "tpl"}, Trusted: true}, want: "docker", why: `template "tpl" cannot be built without`},
		{name: "build arguments", template: trusted, change: func(r *builder.Request) { r.Args["A"] = "b" }, want: "docker", why: "build arguments and build options"},
		{name: "packages of a build option", template: trusted, change: func(r *builder.Request) { r.Args[builder.AdditionalPackage] = "git" }, want: "docker", why: "build arguments and build options"},
		{name: "build secrets", template: trusted, change: func(r *builder.Request) { r.Secrets = []builder.Secret{{ID: "s"}} }, want: "docker", why: "build_secrets"},
		{name: "SSH", template: trusted, change: func(r *builder.Request) { r.SSH = true }, want: "docker", why: "mount_ssh"},
		{name: "no tool chain", template: trusted, native: noTools, want: "docker", why: noTools.Error()},
		{name: "no engine, native could", template: trusted, gateway: true, docker: noEngine, why: "nobody listens", hint: "--builder native builds this function without a container engine"},
		{name: "no engine, native cannot", template: foreign, docker: noEngine, why: "nobody listens", hint: `--builder native cannot build this function either: template "tpl"`},
		{name: "no engine, no tool chain", template: trusted, docker: noEngine, native: noTools, why: "nobody listens", hint: "cannot build this function either: no Go on this machine"},
		{name: "no engine, none needed", template: trusted, docker: noEngine, want: "native", why: "needs no container engine"},
		{name: "no engine, docker asked for", template: trusted, builder: builderDocker, docker: noEngine, why: "nobody listens", hint: "--builder native builds this function without a container engine"},
		{name: "docker asked for", template: trusted, builder: builderDocker, want: "docker", why: "--builder docker"},
		{name: "native asked for", template: trusted, builder: builderNative, gateway: true, want: "native", why: "--builder native"},
		{name: "native asked for where it cannot", template: foreign, builder: builderNative, why: "cannot be built without a container engine"},
		{name: "a remote builder", template: trusted, remote: "http://builder:8081", want: "remote", why: "a remote builder is set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.builder == "" {
				tt.builder = builderAuto
			}
			choice := func(caps builder.Capabilities, err error) func(context.Context) (engineChoice, error) {
				return func(context.Context) (engineChoice, error) { return choiceOf(fakeEngine{caps: caps}), err }
			}
			b := &buildEngines{
				flags:  buildFlags{builder: tt.builder, remote: remoteFlags{url: tt.remote}},
				to:     buildTarget{local: !tt.gateway},
				docker: choice(builder.Capabilities{Name: "docker"}, tt.docker),
				native: choice(builder.Capabilities{Name: "native", NeedsLocalSpec: true}, tt.native),
				remote: choice(builder.Capabilities{Name: "remote"}, nil),
			}
			j := prepare(t, tt.template)
			if tt.change != nil {
				tt.change(&j.request)
			}
			got, err := b.choose(t.Context(), j)
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.why) || !strings.Contains(hint(err, ""), tt.hint) {
					t.Errorf("error %v, hint %q; want %q and %q", err, hint(err, ""), tt.why, tt.hint)
				}
				return
			}
			if err != nil || got.caps.Name != tt.want || !strings.Contains(got.why, tt.why) {
				t.Errorf("chose %q because %q, %v; want %q because %q", got.caps.Name, got.why, err, tt.want, tt.why)
			}
		})
	}
}
