package commands

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/faas-cli/faas-cli/gateway"
)

// offerPlatform starts the local platform if nobody answers at the default
// gateway, which nobody chose either, and somebody at a terminal agrees. In
// every other case it does nothing, and deploying says what is wrong.
func (e *Env) offerPlatform(ctx context.Context, f gatewayFlags, stackGateway string) error {
	if !e.Term.InTTY || !e.Term.ErrTTY {
		return nil
	}
	gw, t, err := e.gatewayClient(f, stackGateway)
	if err != nil || t.local != nil || t.url.String() != defaultGateway {
		return err
	}
	if err := gw.Health(gateway.WithoutRetry(ctx)); !errors.Is(err, gateway.ErrUnreachable) {
		return nil //nolint:nilerr // somebody is there, well or not
	}
	fmt.Fprintf(e.Term.Err, "Nothing answers at %s. Start the local platform there? [Y/n] ", t.url)
	answer, err := bufio.NewReader(e.Term.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "", "y", "yes":
	default:
		return nil
	}
	dir, err := e.localStateDir()
	if err != nil {
		return err
	}
	in, err := e.launchPlatform(ctx, dir, platformFlags{port: defaultPort})
	if err != nil {
		return startHint(err)
	}
	e.progressf("The local platform is ready at %s", in.URL())
	return nil
}
