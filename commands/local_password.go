package commands

import (
	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/local"
)

func newLocalPasswordCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "password",
		Short: "Print the password of the local platform",
		Long: `Print the password of the local platform, for the user admin. Commands of this
program need it no more than you do: it is for other tools.`,
		Example: "  faas-cli local password\n  curl -u admin:$(faas-cli local password) http://127.0.0.1:8080/system/functions",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			return runLocalPassword(env)
		},
	}
}

func runLocalPassword(env *Env) error {
	dir, err := env.localStateDir()
	if err != nil {
		return err
	}
	password, err := local.Password(dir)
	if err != nil {
		return withHint(err, "faas-cli local start")
	}
	return env.resultf("%s", password)
}
