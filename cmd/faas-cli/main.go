// Command faas-cli writes, builds, ships and runs OpenFaaS functions.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/faas-cli/faas-cli/commands"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals) // a second one has its default action and kills
		cancel(commands.Signalled(s))
	}()
	os.Exit(commands.Main(ctx, commands.SystemEnv(), os.Args[1:]))
}
