package commands

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
)

type registryLoginOptions struct {
	server        string
	username      string
	password      string
	passwordStdin bool
	ecr           bool
	accountID     string
	region        string
	force         bool
	format        formatFlags
}

func newRegistryLoginCmd(env *Env) *cobra.Command {
	var o registryLoginOptions
	cmd := &cobra.Command{
		Use:   "registry-login",
		Short: "Write registry credentials for a remote builder or a pull secret",
		Long: `Write ./credentials/config.json, in the format of Docker's config.json, for a
remote builder or to make an image pull secret from. It does not log in.

The file is readable by you only, and the folder is put into .gitignore. An
existing file is kept unless --force says otherwise.`,
		Example: `  echo "$TOKEN" | faas-cli registry-login --server ghcr.io -u me --password-stdin
  faas-cli registry-login --ecr --account-id 123456789012 --region eu-west-1
  faas-cli registry-login -u me --password-stdin --output json < token.txt`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRegistryLogin(cmd.Context(), env, o) },
	}
	o.format.register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "https://index.docker.io/v1/", "the registry's `name`, the key of its credentials")
	f.StringVarP(&o.username, "username", "u", "", "user `name`")
	f.StringVar(&o.password, "password", "", "`password`; other users of the machine can see it, so prefer --password-stdin")
	f.BoolVarP(&o.passwordStdin, "password-stdin", "s", false, "read the password from standard input")
	f.BoolVar(&o.ecr, "ecr", false, "use the credential helper of Amazon ECR")
	f.StringVar(&o.accountID, "account-id", "", "AWS account `number` (with --ecr)")
	f.StringVar(&o.region, "region", "", "AWS `region` (with --ecr)")
	f.BoolVar(&o.force, "force", false, "overwrite existing credentials")
	return cmd
}

// registryLoginFolder is where the accounts are written, in the project.
const registryLoginFolder = "credentials"

// registryConfig is the part of Docker's config.json that is written here.
type registryConfig struct {
	Auths       map[string]registryAuth `json:"auths,omitempty"`
	CredsStore  string                  `json:"credsStore,omitempty"`
	CredHelpers map[string]string       `json:"credHelpers,omitempty"`
}

type registryAuth struct {
	Auth string `json:"auth"` // base64 of USER:PASSWORD
}

func runRegistryLogin(ctx context.Context, env *Env, o registryLoginOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	dir := filepath.Join(env.Dir, registryLoginFolder)
	file := filepath.Join(dir, "config.json")
	if !o.force { // before a password is asked for
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return withHint(errors.New("./credentials/config.json exists already"), "--force overwrites it")
		}
	}
	config, err := o.config(ctx, env)
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(config, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // older versions made it for everybody to read
		return err
	}
	if err := ignoreInGit(env.Dir, registryLoginFolder); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(file, 0o600, content); err != nil {
		return err
	}
	const shown = "./" + registryLoginFolder + "/config.json"
	return printResult(env, o.format, wroteAccounts{File: shown, Registries: config.registries()}, shown,
		sprintf("\nWrote %s..OK", shown))
}

// wroteAccounts is what registry-login prints for programs.
type wroteAccounts struct {
	File       string   `json:"file"`
	Registries []string `json:"registries"`
}

// registries are the names that the file has credentials for.
func (c registryConfig) registries() []string {
	return append(slices.Sorted(maps.Keys(c.Auths)), slices.Sorted(maps.Keys(c.CredHelpers))...)
}

// errNoAccount is the usage error of a registry without user or password.
func errNoAccount() error {
	return usagef("both --username and (--password-stdin or --password) are required")
}

// validate checks what the flags alone can tell.
func (o registryLoginOptions) validate() error {
	switch {
	case o.ecr && o.accountID == "":
		return usagef("the --account-id flag is required with --ecr")
	case o.ecr && o.region == "":
		return usagef("the --region flag is required with --ecr")
	case !o.ecr && (o.username == "" || o.password == "" && !o.passwordStdin):
		return errNoAccount()
	}
	return onePassword(o.password, o.passwordStdin)
}

func (o registryLoginOptions) config(ctx context.Context, env *Env) (registryConfig, error) {
	if o.ecr {
		host := o.accountID + ".dkr.ecr." + o.region + ".amazonaws.com"
		return registryConfig{CredsStore: "ecr-login", CredHelpers: map[string]string{host: "ecr-login"}}, nil
	}
	password, err := env.readPassword(ctx, o.password, o.passwordStdin)
	if err != nil {
		return registryConfig{}, err
	}
	if password == "" {
		return registryConfig{}, errNoAccount()
	}
	auth := base64.StdEncoding.EncodeToString([]byte(o.username + ":" + password))
	return registryConfig{Auths: map[string]registryAuth{o.server: {Auth: auth}}}, nil
}
