//go:build docker && linux

package commands

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/enginetest"
)

// TestDockerContainers runs the scripts of testdata/containers with this machine's engine. $IMAGE is a function, see
// enginetest.FunctionProgram.
func TestDockerContainers(t *testing.T) {
	t.Parallel()
	image := enginetest.Name("faas-cli-test/function") + ":1"
	enginetest.FunctionImage(t, enginetest.Connect(t), image)
	containerScripts(t, scriptsIn(t, "containers"), image, nil)
}

// TestDockerEngineStops runs the scripts of testdata/engine, which each stop and start an engine of their own. What they
// run with nsenter --net=$NETWORK can reach its containers.
func TestDockerEngineStops(t *testing.T) {
	t.Parallel()
	for _, script := range scriptsIn(t, "engine") {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			t.Parallel()
			d := enginetest.NewDaemon(t)
			image := enginetest.Name("faas-cli-test/function") + ":1"
			enginetest.FunctionImage(t, d.Connect(t), image)
			containerScripts(t, []string{script}, image, d)
		})
	}
}

// scriptsIn lists the scripts of a folder of testdata.
func scriptsIn(t *testing.T, dir string) []string {
	scripts, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in testdata/%s: %v", dir, err)
	}
	return scripts
}

func containerScripts(t *testing.T, files []string, image string, d *enginetest.Daemon) {
	cmds := scriptCommands()
	cmds["engine"] = func(ts *testscript.TestScript, neg bool, args []string) { scriptEngine(t, d, ts, neg, args) }
	t.Run("scripts", func(t *testing.T) { // ends before the engine does
		testscript.Run(t, testscript.Params{
			Files: files, RequireExplicitExec: true, RequireUniqueNames: true, Cmds: cmds,
			Setup: func(env *testscript.Env) error {
				if err := setupScript(env); err != nil {
					return err
				}
				env.Setenv("IMAGE", image)
				if d != nil {
					env.Setenv("DOCKER_HOST", d.Host())
					env.Setenv("NETWORK", d.Network())
				}
				env.Defer(func() { // whatever happens, no platform and no container outlives its script
					stop := exec.Command("faas-cli", "local", "stop", "--purge") //nolint:noctx // ends by itself
					stop.Env = env.Vars
					_ = stop.Run()
				})
				return nil
			},
		})
	})
}

// scriptEngine looks at the engine of a script:
//
//	engine containers FILE   writes the running containers of the script's platform to the file
//	engine await N           waits until there are N of them
//	engine push IMAGE NAME   pushes the image under a name in the registry of the script's platform
//	engine stop              ends the engine, where it is the script's own
//	engine start             starts it again
func scriptEngine(t *testing.T, d *enginetest.Daemon, ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: engine containers|await|push|stop|start")
	case args[0] == "stop":
		d.Stop()
	case args[0] == "start":
		d.Start(t)
	case args[0] == "containers":
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(runningContainers(ts), "\n")+"\n"), 0o600))
	case args[0] == "push":
		pushToPlatform(ts, args[1], args[2])
	case args[0] == "await":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			now := runningContainers(ts)
			if len(now) == n {
				return
			}
			if time.Now().After(deadline) {
				ts.Fatalf("%d containers run:\n%s", len(now), strings.Join(now, "\n"))
			}
		}
	default:
		ts.Fatalf("engine %s?", args[0])
	}
}

// pushToPlatform is docker tag and docker push, with the platform's password.
func pushToPlatform(ts *testscript.TestScript, image, name string) {
	ctx := context.Background()
	in := scriptInstance(ts)
	user, password, err := in.Credentials()
	ts.Check(err)
	dir := ts.MkAbs("docker")
	ts.Check(os.MkdirAll(dir, 0o700))
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, in.Registry, auth), 0o600))
	c, err := engine.Connect(ctx, engine.Options{Lookup: func(key string) (string, bool) {
		v := ts.Getenv(key)
		if key == "DOCKER_CONFIG" {
			v = dir
		}
		return v, v != ""
	}})
	ts.Check(err)
	ts.Defer(func() {
		_ = c.RemoveImage(ctx, name, false)
		_ = c.Close()
	})
	ts.Check(c.Tag(ctx, image, name))
	_, err = c.Push(ctx, name, nil)
	ts.Check(err)
}

// runningContainers lists the containers that run for the script's platform, whether it runs itself or not.
func runningContainers(ts *testscript.TestScript) []string {
	ctx := context.Background()
	c, err := engine.Connect(ctx, engine.Options{Lookup: func(key string) (string, bool) { v := ts.Getenv(key); return v, v != "" }})
	ts.Check(err)
	defer c.Close() //nolint:errcheck // nothing is lost
	instance := strings.TrimSpace(ts.ReadFile(filepath.Join(scriptStateDir(ts), "id")))
	list, err := c.ContainersLabelled(ctx, "com.openfaas.faas-cli.instance="+instance)
	ts.Check(err)
	var lines []string
	for _, c := range list {
		if c.Running() {
			lines = append(lines, fmt.Sprintf("%s %s created %s", c.Name, c.ID, c.Created.Format(time.RFC3339Nano)))
		}
	}
	slices.Sort(lines)
	return lines
}
