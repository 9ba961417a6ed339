package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

type newOptions struct {
	templates templateFlags

	name     string
	lang     string
	gateway  gatewayFlags
	handler  string
	prefix   string
	files    []string // -f
	appendTo string
	list     bool
	quiet    bool

	resources resourceFlags
}

func newNewCmd(env *Env) *cobra.Command {
	o := newOptions{}
	cmd := &cobra.Command{
		Use:   "new NAME --lang TEMPLATE",
		Short: "Write a new function from a template",
		Long: `Write a new function: a folder with the template's starter handler, and an
entry in a stack file.

The template is looked for in ./template, then in what template.lock and the
stack file name, then in the template stores, then among those that come with
faas-cli. TEMPLATE may be NAME@REF, to take a branch, a tag or sha-COMMIT.

The function goes into the file of -f, or the existing file of --append, or
stack.yaml or stack.yml if there is one, or else into NAME.yml. Comments and
everything else in an existing file stay as they are.`,
		Example: "  faas-cli new hello --lang python3-http\n  faas-cli new api --lang golang-middleware --prefix ghcr.io/me --memory-limit 128Mi\n  faas-cli new hello --lang golang-http@0.9.0 --append stack.yaml\n  faas-cli new --list",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.name = args[0]
			}
			if !o.list && o.lang == "" && len(args) == 0 {
				return cmd.Help()
			}
			o.gateway.complete(cmd)
			o.lang = normaliseLang(o.lang)
			o.templates.complete(cmd)
			if err := o.validate(); err != nil {
				return err
			}
			return runNew(cmd.Context(), env, o)
		},
	}
	registerYAML(cmd, &o.files, "stack `file` to add the function to; '' for a new one")
	f := cmd.Flags()
	f.StringVar(&o.lang, "lang", "", "`template` to start from, optionally NAME@REF")
	f.StringVarP(&o.gateway.url, "gateway", "g", defaultGateway, "`URL` of the gateway, written into a new stack file")
	f.StringVar(&o.handler, "handler", "", "`folder` to write the handler to (default NAME)")
	f.StringVarP(&o.prefix, "prefix", "p", "", "`prefix` of the image, such as a user or registry (default $OPENFAAS_PREFIX)")
	f.StringVarP(&o.appendTo, "append", "a", "", "existing stack `file` to add the function to")
	o.resources.register(cmd)
	f.BoolVar(&o.list, "list", false, "list the templates in ./template")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "leave the template's notes out")
	o.templates.register(cmd)
	return cmd
}

func (o newOptions) validate() error {
	if o.list {
		return nil
	}
	if o.lang == "" {
		return usagef("give a template with --lang")
	}
	if o.name == "" {
		return usagef("give a name for the function")
	}
	if err := stack.CheckName(o.name); err != nil {
		return &UsageError{Err: err}
	}
	if _, err := templates.ParseName(o.lang); err != nil {
		return &UsageError{Err: err}
	}
	return nil
}

// newTarget is the stack file that a new function goes into.
func (e *Env) newTarget(name string, files []string, appendTo string) (stack.Target, error) {
	t, err := stack.NewTarget(e.Dir, name, files, appendTo)
	if errors.Is(err, stack.ErrSeveralTargets) {
		return t, &UsageError{Err: err}
	}
	return t, err
}

func runNew(ctx context.Context, env *Env, o newOptions) error {
	if o.list {
		return listLanguages(env)
	}
	target, err := env.newTarget(o.name, o.files, o.appendTo)
	if err != nil {
		return err
	}
	// Everything that can be refused is refused before anything is written.
	handler, err := newHandler(env, o)
	if err != nil {
		return err
	}
	gateway, err := env.newGateway(o.gateway)
	if err != nil {
		return err
	}
	text, err := newStackText(env, target, gateway, o, handler)
	if err != nil {
		return err
	}
	declared, err := declaredTemplates(env, target)
	if err != nil {
		return err
	}
	p, err := env.openTemplates(o.templates, templateSources{stackFile: target.Path, declared: declared})
	if err != nil {
		return err
	}
	defer p.Close()
	tpl, err := p.Find(ctx, o.lang)
	if err != nil {
		return fmt.Errorf("new %s: %w", o.name, err)
	}
	return writeFunction(env, o, target, tpl, handler, text)
}

// writeFunction writes handler and stack file. If the stack file cannot be
// written the handler goes again.
func writeFunction(env *Env, o newOptions, target stack.Target, tpl templates.Template, handler string, text []byte) error {
	starter, err := tpl.Starter()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(env.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := templates.CopyTo(root, handler, starter); err != nil {
		return fmt.Errorf("write handler %q: %w", handler, err)
	}
	if err := atomicfile.UpdateBytes(env.abs(target.Path), stackFilePerm, text); err != nil {
		return errors.Join(err, root.RemoveAll(handler))
	}
	if err := ignoreInGit(env.Dir, "template", "build", secretsFolder); err != nil {
		env.warnf(".gitignore is not updated: %v", err)
	}
	return announceFunction(env, o, target, tpl, handler)
}

func announceFunction(env *Env, o newOptions, target stack.Target, tpl templates.Template, handler string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Folder: %s created.\n", handler)
	if env.Term.OutTTY {
		b.WriteString(logo(env.Term))
	}
	fmt.Fprintf(&b, "\nFunction created in folder: %s\n", handler)
	if target.Exists {
		fmt.Fprintf(&b, "Stack file updated: %s\n", target.Path)
	} else {
		fmt.Fprintf(&b, "Stack file written: %s\n", target.Path)
	}
	if message := strings.TrimRight(tpl.Config.WelcomeMessage, "\n"); message != "" && !o.quiet {
		fmt.Fprintf(&b, "\nNotes:\n%s\n", env.shown(message))
	}
	_, err := io.WriteString(env.Term.Out, b.String())
	return err
}

// shown is text of others as it may be sent to standard output.
func (e *Env) shown(s string) string {
	if e.Term.OutTTY {
		return term.Sanitize(s)
	}
	return s
}

// newHandler checks the folder that is to be made: one level below a folder
// that is there, inside the project, and not there yet.
func newHandler(env *Env, o newOptions) (string, error) {
	handler := o.handler
	if handler == "" {
		handler = o.name
	}
	handler = path.Clean(filepath.ToSlash(handler))
	if handler == "." || !filepath.IsLocal(filepath.FromSlash(handler)) {
		return "", usagef("the handler folder %q is not below the current folder", o.handler)
	}
	root, err := os.OpenRoot(env.Dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	native := filepath.FromSlash(handler)
	if _, err := root.Lstat(native); err == nil {
		return "", fmt.Errorf("folder %s already exists", handler)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("handler folder %s: %w", handler, err)
	}
	if info, err := root.Stat(filepath.Dir(native)); err != nil || !info.IsDir() {
		return "", fmt.Errorf("handler folder %s: the folder that is to hold it does not exist", handler)
	}
	return handler, nil
}

// newGateway is what a new stack file names as its gateway: --gateway, else
// OPENFAAS_URL, else the default.
func (e *Env) newGateway(f gatewayFlags) (string, error) {
	text := f.url
	if fromEnv := e.get("OPENFAAS_URL"); !f.explicit && fromEnv != "" {
		text = fromEnv
	}
	u, err := normaliseGateway(text)
	if err != nil {
		return "", &UsageError{Err: err}
	}
	return u.String(), nil
}

// newStackText is the stack file with the function in it.
func newStackText(env *Env, target stack.Target, gateway string, o newOptions, handler string) ([]byte, error) {
	fn := schema.Function{
		Language: o.lang,
		Handler:  "./" + handler,
		Image:    o.name + ":latest",
		Limits:   o.resources.stackLimits(),
		Requests: o.resources.stackRequests(),
	}
	prefix := o.prefix
	if prefix == "" {
		prefix = env.get("OPENFAAS_PREFIX")
	}
	if prefix = strings.TrimSpace(prefix); prefix != "" {
		fn.Image = prefix + "/" + fn.Image
	}
	return env.withFunction(target, gateway, o.name, fn)
}

// withFunction is the text of target with one more function. A file without a
// word in it is written as a new one.
func (e *Env) withFunction(target stack.Target, gateway, name string, fn schema.Function) ([]byte, error) {
	var old []byte
	if target.Exists {
		var err error
		if old, err = os.ReadFile(e.abs(target.Path)); err != nil {
			return nil, err
		}
	}
	if len(bytes.TrimSpace(old)) == 0 {
		return stack.NewFile(gateway, name, fn), nil
	}
	text, err := stack.AddFunction(target.Path, old, name, fn)
	return text, hintEdit(err)
}

// declaredTemplates reads configuration.templates of the file that is added
// to. A file with variables is read as it stands: sources rarely have any.
func declaredTemplates(env *Env, target stack.Target) ([]schema.TemplateSource, error) {
	if !target.Exists {
		return nil, nil
	}
	text, err := os.ReadFile(env.abs(target.Path))
	if err != nil {
		return nil, err
	}
	return templates.Declared(target.Path, text)
}

// listLanguages prints the installed templates.
func listLanguages(env *Env) error {
	p, err := env.openTemplates(templateFlags{}, templateSources{})
	if err != nil {
		return err
	}
	defer p.Close()
	names, err := p.Folder.Names()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no folder ./%s with templates", templates.Dir)
		return withHint(err, "pull some with faas-cli template store pull NAME; those that come with faas-cli: %s", strings.Join(templates.Embedded(), ", "))
	}
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Languages available as templates:\n")
	for _, name := range names {
		b.WriteString("- " + name + "\n")
	}
	b.WriteString("\n")
	_, err = io.WriteString(env.Term.Out, b.String())
	return err
}
