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

// offerPlatform looks whether somebody answers at the default gateway, if that
// is the one and nobody chose it. If not, it starts the local platform when
// somebody at a terminal agrees; otherwise it fails, before anything is built
// for nobody.
func (e *Env) offerPlatform(ctx context.Context, f gatewayFlags, stackGateway string) error {
	gw, t, err := e.gatewayClient(f, stackGateway)
	if err != nil || t.local != nil || t.url.String() != defaultGateway {
		return err
	}
	unreachable := gw.Health(gateway.WithoutRetry(ctx))
	if !errors.Is(unreachable, gateway.ErrUnreachable) {
		return nil // somebody is there, well or not
	}
	if !e.Term.InTTY || !e.Term.ErrTTY {
		return unreachable
	}
	fmt.Fprintf(e.Term.Err, "Nothing answers at %s. Start the local platform there? [Y/n] ", t.url)
	answer, err := bufio.NewReader(e.Term.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "", "y", "yes":
	default:
		return unreachable
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
