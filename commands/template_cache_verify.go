package commands

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

func newTemplateCacheVerifyCmd(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that everything in the cache is what it should be",
		Long: `Read everything in the cache and compare it with its digest. What is damaged is
removed, to be fetched again when it is needed; the exit code is then 1.`,
		Example: "  faas-cli template cache verify",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runTemplateCacheVerify(env) },
	}
}

func runTemplateCacheVerify(env *Env) error {
	cache, clean, err := env.templateCache()
	if err != nil {
		return err
	}
	defer func() { _ = clean() }()
	damaged, err := cache.Verify()
	if err != nil {
		return err
	}
	if len(damaged) > 0 {
		return errors.New("damaged, and removed from the cache: " + strings.Join(damaged, ", "))
	}
	return env.resultf("The template cache is sound.")
}
