package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/templates"
)

type templateNewOptions struct {
	name string
	from string
}

func newTemplateNewCmd(env *Env) *cobra.Command {
	o := templateNewOptions{}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a new template",
		Long: `Write a new template to ./template/NAME: template.yml, Dockerfile, a starter
handler and a test.yml, all of which work as they are; and beside ./template a
README.md and a workflow for continuous integration, where there is none.

It starts from one of
  golang-middleware, python3-http   the templates that come with faas-cli
  dockerfile                        a server of its own, without the watchdog
  blank                             the watchdog and a shell script`,
		Example: "  faas-cli template new rust-axum --from blank\n  faas-cli template new my-python --from python3-http && faas-cli template lint && faas-cli template test",
		Args:    exactArgs("a name for the template"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return runTemplateNew(env, o)
		},
	}
	cmd.Flags().StringVar(&o.from, "from", "blank", "`what` to start from: "+strings.Join(templates.Skeletons(), ", "))
	return cmd
}

func runTemplateNew(env *Env, o templateNewOptions) error {
	root, err := os.OpenRoot(env.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	written, err := templates.New(root, o.name, o.from)
	if errors.Is(err, templates.ErrInvalidName) {
		err = &UsageError{Err: err}
	}
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, path := range written {
		fmt.Fprintf(&b, "Wrote %s\n", path)
	}
	fmt.Fprintf(&b, "\nCheck it with:  faas-cli template lint\nTest it with:   faas-cli template test template/%s\nUse it here:    faas-cli new try --lang %s\n", o.name, o.name)
	_, err = io.WriteString(env.Term.Out, b.String())
	return err
}
