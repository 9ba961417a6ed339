package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/credentials"
	"github.com/faas-cli/faas-cli/internal/term"
)

type loginOptions struct {
	gateway       gatewayFlags
	format        formatFlags
	username      string
	password      string
	passwordStdin bool
}

func newLoginCmd(env *Env) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Save the credentials of a gateway",
		Long: `Check a user name and a password with a gateway and save them, for all commands,
in config.yml of the folder that OPENFAAS_CONFIG names, by default ~/.openfaas,
or ./.openfaas where CI is true.

On a terminal the password is asked for, elsewhere it comes from standard input
with --password-stdin.`,
		Example: `  faas-cli login
  echo -n "$PASSWORD" | faas-cli login --username admin --password-stdin
  faas-cli login --gateway https://of.example.com
  echo "$PASSWORD" | faas-cli login --password-stdin --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			return runLogin(cmd.Context(), env, o)
		},
	}
	o.gateway.registerAddress(cmd)
	o.format.register(cmd)
	f := cmd.Flags()
	f.StringVarP(&o.username, "username", "u", "admin", "user `name`")
	f.StringVarP(&o.password, "password", "p", "", "`password`; other users of the machine can see it, so prefer --password-stdin")
	f.BoolVarP(&o.passwordStdin, "password-stdin", "s", false, "read the password from standard input")
	o.gateway.registerTimeoutOf(cmd, 5*time.Second, "longest `time` for the gateway to answer; 0 is no limit")
	return cmd
}

func runLogin(ctx context.Context, env *Env, o loginOptions) error {
	if o.username == "" || strings.Contains(o.username, ":") {
		return usagef("--username %q: a user name is not empty and has no colon", o.username)
	}
	password, err := env.loginPassword(ctx, o)
	if err != nil {
		return err
	}
	client, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	env.warnPlainHTTP(client.BaseURL(), o.gateway)
	env.progressf("Calling the OpenFaaS server to validate the credentials...")
	accepted := client.WithAuth(gateway.BasicAuth(o.username, password))
	switch err := checkLogin(ctx, accepted); {
	case errors.Is(err, gateway.ErrUnauthorized):
		return withHint(fmt.Errorf("unable to log in as %q: %w", o.username, err), "either the user name or the password is wrong")
	case err != nil:
		return err
	}
	if checkLogin(ctx, client.WithAuth(nil)) == nil {
		env.warnf("%s accepts calls without credentials, so these were not checked", client.BaseURL())
	}
	store, err := env.credentialStore()
	if err != nil {
		return err
	}
	t.url.User = nil
	if err := store.Save(ctx, credentials.BasicEntry(t.url.String(), o.username, password)); err != nil {
		return fmt.Errorf("save the credentials: %w", err)
	}
	return printResult(env, o.format, account{Gateway: t.url.String(), Username: o.username}, t.url.String(),
		sprintf("credentials saved for %s %s", o.username, t.url))
}

// account is what login and logout print for programs.
type account struct {
	Gateway  string `json:"gateway"`
	Username string `json:"username,omitempty"`
}

// checkLogin asks for something that wants credentials. What comes with a 2xx
// does not matter.
func checkLogin(ctx context.Context, client *gateway.Client) error {
	_, err := gateway.List[struct{}](ctx, client, "")
	var answer *gateway.Error
	if errors.As(err, &answer) && errors.Is(err, gateway.ErrMalformed) && answer.Status/100 == 2 {
		return nil
	}
	return err
}

// loginPassword returns the password of --password or --password-stdin; on a
// terminal without either it asks.
func (e *Env) loginPassword(ctx context.Context, o loginOptions) (string, error) {
	if o.password == "" && !o.passwordStdin && e.Term.InTTY {
		return e.askPassword(ctx, o.username)
	}
	if o.password != "" && !o.passwordStdin {
		e.warnf("a password on the command line is insecure, other users and the shell's history can see it; use --password-stdin")
	}
	password, err := e.readPassword(ctx, o.password, o.passwordStdin)
	if err == nil && password == "" {
		err = usagef("a password is needed: give it on standard input with --password-stdin, or with --password")
	}
	return password, err
}

// askPassword reads a password from the terminal without echo.
func (e *Env) askPassword(ctx context.Context, user string) (string, error) {
	in, ok := e.Term.In.(*os.File)
	if !ok {
		return "", errors.New("read the password: standard input is no terminal")
	}
	e.progressf("Password of %s:", user)
	restore, err := term.Restorer(in)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	type result struct {
		password []byte
		err      error
	}
	done := make(chan result, 1)
	go func() { // left behind when ctx ends, as a read of a terminal cannot be interrupted
		password, err := term.ReadPassword(in)
		done <- result{password, err}
	}()
	select {
	case <-ctx.Done():
		restore() // the echo
		return "", context.Cause(ctx)
	case r := <-done:
		password := strings.TrimSpace(string(r.password))
		if r.err == nil && password == "" {
			r.err = errors.New("the password is empty")
		}
		return password, r.err
	}
}

// maxPassword bounds a password on standard input, in bytes.
const maxPassword = 64 << 10

// onePassword refuses a password that is given twice.
func onePassword(flag string, stdin bool) error {
	if flag != "" && stdin {
		return usagef("--password and --password-stdin are mutually exclusive")
	}
	return nil
}

// readPassword returns the password of --password or of --password-stdin, less
// the blanks around the latter. Without either it is empty.
func (e *Env) readPassword(ctx context.Context, flag string, stdin bool) (string, error) {
	if err := onePassword(flag, stdin); err != nil {
		return "", err
	}
	if !stdin {
		return flag, nil
	}
	if e.Term.InTTY {
		e.progressf("Enter the password, then Ctrl-D on a line of its own.")
	}
	b, err := e.readStdin(ctx, maxPassword)
	return strings.TrimSpace(string(b)), err
}
