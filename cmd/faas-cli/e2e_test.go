//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestE2E runs the scripts of testdata/e2e through the built binary, which
// FAAS_CLI names, against a local platform that each script starts itself.
func TestE2E(t *testing.T) {
	binary := os.Getenv("FAAS_CLI")
	if binary == "" {
		t.Fatal("FAAS_CLI does not name the binary: run make test-e2e")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/e2e",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home, bin := filepath.Join(env.WorkDir, "home"), filepath.Join(env.WorkDir, "bin")
			for _, dir := range []string{home, bin} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			if err := os.Symlink(binary, filepath.Join(bin, "faas-cli")); err != nil {
				return err
			}
			env.Setenv("HOME", home)
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("LANG", "C.UTF-8")
			env.Setenv("TERM", "dumb")
			env.Setenv("OPENFAAS_TEMPLATE_SOURCE", "embedded")
			for _, key := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} { // shared: the scripts build Go
				if v, err := exec.Command("go", "env", key).Output(); err == nil {
					env.Setenv(key, strings.TrimSpace(string(v)))
				}
			}
			// Whatever happens, no platform outlives its script.
			env.Defer(func() {
				stop := exec.Command(binary, "local", "stop", "--purge")
				stop.Env = env.Vars
				_ = stop.Run()
			})
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"keep": keep},
	})
}

// keep sets a variable to the line that the last command printed: keep NAME.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}
