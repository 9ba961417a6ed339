// Command faas-cli writes, builds, ships and runs OpenFaaS functions.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/faas-cli/faas-cli/commands"
)

// The linker sets these: -X main.version=1.2.3 -X main.commit=SHA.
var version, commit string

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals) // a second one has its default action and kills
		cancel(commands.Signalled(s))
	}()
	env := commands.SystemEnv()
	env.Version, env.Commit = version, commit
	os.Exit(commands.Main(ctx, env, os.Args[1:]))
}
