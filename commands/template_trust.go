package commands

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/templates"
)

type templateTrustOptions struct {
	stackFile string
	name      string
	remove    bool
}

func newTemplateTrustCmd(env *Env) *cobra.Command {
	o := templateTrustOptions{}
	cmd := &cobra.Command{
		Use:   "trust NAME",
		Short: "Let a template be built and run without a container",
		Long: `Let a template be built and run without a container, as its local block in
template.yml says: its code then runs on this machine as you do. Trust is for
the content as it is now, and is kept in your own data folder, not in the
project; a template that changes has to be trusted again. Those that come with
faas-cli are trusted.`,
		Example: "  faas-cli template trust rust-axum\n  faas-cli template trust rust-axum --remove",
		Args:    exactArgs("the name of a template"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.stackFile = args[0], firstStackFile(cmd)
			return runTemplateTrust(env, o)
		},
	}
	registerLockYAML(cmd)
	cmd.Flags().BoolVar(&o.remove, "remove", false, "no longer trust it")
	return cmd
}

func runTemplateTrust(env *Env, o templateTrustOptions) error {
	p, err := env.openTemplates(templateFlags{offline: true}, templateSources{stackFile: o.stackFile})
	if err != nil {
		return err
	}
	defer p.Close()
	tpl, err := p.Open(o.name)
	if err != nil {
		return err
	}
	if tpl.Embedded {
		return env.resultf("Trusted: %s comes with faas-cli.", o.name)
	}
	digest, err := tpl.Digest()
	if err != nil {
		return err
	}
	if p.Trust == nil {
		return errors.New("there is no data folder to record trust in: neither XDG_DATA_HOME nor HOME is set")
	}
	if o.remove {
		was, err := p.Trust.Remove(digest)
		if err != nil {
			return err
		}
		if !was {
			return fmt.Errorf("template %q was not trusted as it is now", o.name)
		}
		return env.resultf("No longer trusted: %s %s", o.name, digest)
	}
	if tpl.Config.Local == nil {
		return withHint(fmt.Errorf("template %q has no local block in %s, so there is nothing to trust", o.name, templates.ConfigFile),
			"docs/templates.md says what a local block is")
	}
	record := templates.TrustRecord{Template: o.name, Source: tpl.Dir, Digest: digest, Since: env.Now().UTC()}
	if err := p.Trust.Add(record); err != nil {
		return err
	}
	env.progressf("%s", describeLocal(*tpl.Config.Local))
	return env.resultf("Trusted: %s %s", o.name, digest)
}

// describeLocal says what a local block leads to.
func describeLocal(l schema.LocalBuild) string {
	return fmt.Sprintf("Its functions are built with %s and started from %q, on this machine, without a container.", l.Kind, l.Entry)
}
