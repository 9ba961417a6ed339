package commands

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/schema"
)

// The delay of the gateway and the numbers are those of the benchmark kit.
const (
	benchDelay     = 25 * time.Millisecond
	benchFunctions = 200
	benchSecrets   = 100
	benchListed    = 10_000
)

// benchEnv is an environment whose output goes nowhere, in a folder with a
// stack file and secrets.
func benchEnv(b *testing.B, url string) *Env {
	b.Helper()
	dir := b.TempDir()
	var text strings.Builder
	fmt.Fprintf(&text, "version: 1.0\nprovider:\n  name: openfaas\n  gateway: %s\nfunctions:\n", url)
	for i := range benchFunctions {
		fmt.Fprintf(&text, "  fn-%05d:\n    lang: dockerfile\n    image: r/fn:%d\n    environment:\n      A: b\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "stack.yml"), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, secretsFolder), 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range benchSecrets {
		if err := os.WriteFile(filepath.Join(dir, secretsFolder, fmt.Sprintf("s-%d", i)), []byte("value"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: maxIdlePerHost}
	b.Cleanup(transport.CloseIdleConnections)
	return &Env{
		Term: term.Test(strings.NewReader(""), io.Discard, io.Discard),
		Lookup: func(key string) (string, bool) {
			v, ok := map[string]string{"HOME": dir}[key]
			return v, ok
		},
		Dir: dir, Now: time.Now, Transport: transport,
	}
}

// benchCommand runs a command line once an iteration, after prepare, which is
// not timed, and reports how much longer it takes than waiting for so many
// rounds of answers would.
func benchCommand(b *testing.B, o gatewaytest.Options, rounds int, prepare func(*gatewaytest.Server), args ...string) {
	s := gatewaytest.Start(o)
	b.Cleanup(s.Close)
	env := benchEnv(b, s.URL)
	args = append(args, "--gateway", s.URL)
	for b.Loop() {
		b.StopTimer()
		s.Reset()
		prepare(s)
		b.StartTimer()
		if code := Main(b.Context(), env, args); code != 0 {
			b.Fatalf("%q: exit code %d", args, code)
		}
	}
	if floor := time.Duration(rounds) * o.Delay; floor > 0 {
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(floor), "×floor")
	}
}

func BenchmarkDeploy200New(b *testing.B) {
	benchCommand(b, gatewaytest.Options{Delay: benchDelay}, 2*benchFunctions/defaultParallel,
		func(*gatewaytest.Server) {}, "deploy")
}

func deployed(n int) func(*gatewaytest.Server) {
	return func(s *gatewaytest.Server) {
		for i := range n {
			s.Deploy(schema.FunctionDeployment{Service: fmt.Sprintf("fn-%05d", i), Image: "r/fn:1"})
		}
	}
}

func BenchmarkDeploy200Update(b *testing.B) {
	benchCommand(b, gatewaytest.Options{Delay: benchDelay}, benchFunctions/defaultParallel, deployed(benchFunctions), "deploy")
}

func BenchmarkRemove200(b *testing.B) {
	benchCommand(b, gatewaytest.Options{Delay: benchDelay}, benchFunctions/defaultParallel, deployed(benchFunctions), "remove")
}

func BenchmarkSecrets100(b *testing.B) {
	rounds := 1 + (benchSecrets+defaultParallel-1)/defaultParallel
	benchCommand(b, gatewaytest.Options{Delay: benchDelay}, rounds, func(*gatewaytest.Server) {}, "secret", "apply")
}

func BenchmarkList10k(b *testing.B) {
	benchCommand(b, gatewaytest.Options{}, 0, deployed(benchListed), "list", "-f", "")
}
