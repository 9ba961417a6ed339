//go:build docker

package commands

import (
	"os/exec"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// TestDockerScripts runs the scripts of testdata/docker, which build and run
// containers. $BASE names an image to build on: Debian with a Python, and with
// the commands of Alpine that our templates use. $FUNCTION is an image of
// enginetest's function, $P an image prefix.
func TestDockerScripts(t *testing.T) {
	t.Parallel()
	c := enginetest.Connect(t)
	base := alpineLike(t, c)
	prefix := enginetest.Name("faas-cli-test")
	enginetest.RemoveImage(t, c, prefix+"/my-function:latest")
	function := prefix + "/function:1"
	enginetest.FunctionImage(t, c, function)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/docker",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                scriptCommands(),
		Setup: func(env *testscript.Env) error {
			if err := setupScript(env); err != nil {
				return err
			}
			env.Setenv("BASE", base)
			env.Setenv("P", prefix)
			env.Setenv("FUNCTION", function)
			// Whatever happens, no platform and no container outlives its script.
			env.Defer(func() {
				stop := exec.Command("faas-cli", "local", "stop", "--purge") //nolint:noctx // ends by itself
				stop.Env = env.Vars
				_ = stop.Run()
			})
			return nil
		},
	})
}

// alpineLike makes a Debian with Python that also has the commands of Alpine
// which templates use, and returns its name.
func alpineLike(t *testing.T, c *engine.Client) string {
	t.Helper()
	name := enginetest.Name("faas-cli-test/base") + ":1"
	command := func(text string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("#!/bin/sh\n" + text), Mode: 0o755}
	}
	enginetest.Image(t, c, name, fstest.MapFS{
		"Dockerfile":   {Data: []byte("FROM " + enginetest.Debian(t, c) + "\nCOPY bin/ /usr/local/sbin/\n"), Mode: 0o644},
		"bin/python":   command("exec python3 \"$@\"\n"),
		"bin/addgroup": command("exec groupadd --system \"$2\"\n"),
		"bin/adduser":  command("exec useradd --system --gid \"$3\" \"$4\"\n"),
	})
	return name
}
