package commands

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/processtest"

	"github.com/faas-cli/faas-cli/internal/gatewaytest"
)

// TestMain lets the scripts run the test binary as faas-cli.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"faas-cli": runMain, "test-function": processtest.Function})
}

// runMain is cmd/faas-cli's main: scripts send signals to it too.
func runMain() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals)
		cancel(Signalled(s))
	}()
	env := SystemEnv()
	env.CompletionTime = time.Minute // what the shells offer must not hang on how busy the machine is
	os.Exit(Main(ctx, env, os.Args[1:]))
}

// TestScripts runs every script in testdata/script against real HTTP servers.
// Scripts are named GROUP_what.txtar; -run 'TestScripts/GROUP_' selects some.
func TestScripts(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in testdata/script: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") == "1",
		Setup:               setupScript,
		Cmds:                scriptCommands(),
	})
}

// TestCommandsOnBothGateways runs one script against the gateway in memory and
// against the local platform: [memory] and [local] mark what only one needs.
func TestCommandsOnBothGateways(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"memory", "local"} {
		t.Run(kind, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/gateways",
				RequireExplicitExec: true,
				Setup:               setupScript,
				Cmds:                scriptCommands(),
				Condition: func(condition string) (bool, error) {
					if condition != "memory" && condition != "local" {
						return false, fmt.Errorf("unknown condition %q", condition)
					}
					return condition == kind, nil
				},
			})
		})
	}
}

// setupScript gives a script a home of its own and nothing of the user's.
func setupScript(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	env.Values[scriptGatewayKey{}] = new(*gatewaytest.Server)
	env.Setenv("HOME", home)
	env.Setenv("LANG", "C.UTF-8")
	env.Setenv("TERM", "dumb")
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("GORACE", os.Getenv("GORACE")) // nothing, or how long a program built with -race waits at its end
	// The tool chain's caches are found from the real home.
	for _, key := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
		if v, err := goEnv(key); err == nil {
			env.Setenv(key, v)
		}
	}
	return nil
}

func goEnv(key string) (string, error) {
	out, err := exec.Command("go", "env", key).Output()
	if err != nil {
		return "", err
	}
	return string(out[:len(out)-1]), nil
}
