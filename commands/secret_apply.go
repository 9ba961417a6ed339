package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
)

// secretsFolder is where projects keep their secrets, out of version control.
const secretsFolder = ".secrets"

type secretApplyOptions struct {
	gateway  gatewayFlags
	format   formatFlags
	trim     bool
	parallel int
}

func newSecretApplyCmd(env *Env) *cobra.Command {
	var o secretApplyOptions
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Create or update secrets from the files in .secrets",
		Long: `Create a secret from each file in the folder .secrets, named like the file, or
update it if it exists. Nothing is ever deleted. Files whose names cannot be
secrets, and empty ones, are left out with a warning.`,
		Example: "  faas-cli secret apply --namespace dev\n  faas-cli secret apply --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			return runSecretApply(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeout(cmd)
	o.gateway.registerNamespace(cmd)
	o.format.register(cmd)
	cmd.Flags().BoolVar(&o.trim, "trim", true, "cut blanks and newlines off both ends of the values")
	cmd.Flags().IntVar(&o.parallel, "parallel", defaultParallel, "send up to `n` secrets at once")
	return cmd
}

func runSecretApply(ctx context.Context, env *Env, o secretApplyOptions) error {
	if err := checkParallel(o.parallel); err != nil {
		return err
	}
	gw, t, err := env.gatewayClient(o.gateway, "")
	if err != nil {
		return err
	}
	namespace := env.namespaceAt(o.gateway, t, "")
	secrets, err := readSecretsFolder(env, namespace, o.trim)
	if err != nil {
		return err
	}
	if len(secrets) == 0 && o.format.table() {
		return env.resultf("No secrets in %s", secretsFolder)
	}
	if len(secrets) == 0 {
		return printChanges(env, o.format, nil)
	}
	env.warnPlainHTTP(gw.BaseURL(), o.gateway)
	// The list is of this namespace, so names are enough. What the server
	// calls the default namespace does not matter (KB-84).
	present, err := gw.Secrets(ctx, namespace)
	if err != nil {
		return err
	}
	exists := make(map[string]bool, len(present))
	for _, s := range present {
		exists[s.Name] = true
	}
	changes := make([]change, len(secrets))
	err = inParallel(len(secrets), o.parallel, func(i int) error {
		var err error
		changes[i], err = applySecret(ctx, gw, secrets[i], exists[secrets[i].Name])
		return err
	}, func(i int, err error) {
		c := &changes[i]
		c.Name, c.Namespace = secrets[i].Name, namespace
		switch {
		case err != nil:
			*c = c.failed(err)
		case o.format.table():
			verb := map[string]string{outcomeCreated: "Created", outcomeUpdated: "Updated"}[c.Outcome]
			_ = env.resultf("%s: %s %s", verb, inNamespace(c.Name, namespace), gateway.Accepted(c.Status)) // a closed pipe does not undo it
		}
	})
	return errors.Join(err, printChanges(env, o.format, changes))
}

// applySecret makes a secret what it should be, also if it came or went since
// the list was made.
func applySecret(ctx context.Context, gw *gateway.Client, s schema.Secret, exists bool) (c change, err error) {
	update := func() (change, error) {
		status, err := gw.UpdateSecret(ctx, s)
		return change{Outcome: outcomeUpdated, Status: int(status)}, err
	}
	create := func() (change, error) {
		status, err := gw.CreateSecret(ctx, s)
		return change{Outcome: outcomeCreated, Status: int(status)}, err
	}
	if exists {
		if c, err = update(); errors.Is(err, gateway.ErrNotFound) {
			return create()
		}
		return c, err
	}
	if c, err = create(); errors.Is(err, gateway.ErrConflict) {
		return update()
	}
	return c, err
}

// readSecretsFolder reads all of it before anything is sent, by name.
func readSecretsFolder(env *Env, namespace string, trim bool) ([]schema.Secret, error) {
	root, err := os.OpenRoot(filepath.Join(env.Dir, secretsFolder))
	if err != nil {
		return nil, withHint(fmt.Errorf("read the folder %s: %w", secretsFolder, cause(err)),
			"put a file for each secret into %s, named like the secret", secretsFolder)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("read the folder %s: %w", secretsFolder, cause(err))
	}
	var secrets []schema.Secret
	for _, entry := range entries {
		name := entry.Name()
		if !entry.Type().IsRegular() {
			continue
		}
		if err := checkSecretName(name); err != nil {
			env.warnf("%s/%s left out: %v", secretsFolder, name, err)
			continue
		}
		s, err := readSecretIn(root, name, namespace, trim)
		if errors.Is(err, errEmptySecret) {
			env.warnf("%s/%s left out: it is empty", secretsFolder, name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s/%s: %w", secretsFolder, name, err)
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}

func readSecretIn(root *os.Root, name, namespace string, trim bool) (schema.Secret, error) {
	f, err := root.Open(name)
	if err != nil {
		return schema.Secret{}, cause(err)
	}
	defer f.Close()
	value, err := readSecretFrom(f)
	if err != nil {
		return schema.Secret{}, err
	}
	return newSecret(name, namespace, value, trim)
}
