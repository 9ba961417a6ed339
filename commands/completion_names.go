package commands

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/functionstore"
	"github.com/faas-cli/faas-cli/internal/plugin"
	"github.com/faas-cli/faas-cli/internal/term"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// completionTime is less than a second, with the start of the program.
const completionTime = 700 * time.Millisecond

// completer finds names for the shell. It never prints, and what cannot be
// found out in time has no names.
type completer struct{ env *Env }

// names finds the names of one kind. words are the arguments before the one
// that is completed.
type names func(ctx context.Context, cmd *cobra.Command, words []string) []string

// registerCompletions gives all commands of the tree what their arguments and
// flags are completed with.
func registerCompletions(env *Env, root *cobra.Command) {
	c := completer{env: env}
	arguments := map[string]names{
		"describe": c.functions, "invoke": c.functions, "local-run": c.stackFunctions, "logs": c.functions, "ready": c.functions,
		"remove": c.functions, "scale": c.functions,
		"context use": c.contexts, "context remove": c.contexts,
		"namespace get": c.namespaces, "namespace update": c.namespaces, "namespace remove": c.namespaces,
		"secret update": c.secrets, "secret remove": c.secrets,
		"store deploy": c.storeFunctions, "store describe": c.storeFunctions,
		"template store pull": c.storeTemplates, "template store describe": c.storeTemplates,
		"template remove": c.templates, "template trust": c.templates, "template update": c.templates,
	}
	flags := map[string]names{
		"namespace": c.namespaces, "context": c.contexts, "secret": c.secrets, "filter": c.stackFunctions,
		"lang":     c.allTemplates,
		"platform": fixed("x86_64", "arm64", "armhf"), "arch": fixed("x86_64", "arm64", "armhf"),
		"method": fixed(invokeMethods()...),
		"sort":   fixed(sortName, sortInvocations, sortCreation, "none"),
		"tag":    fixed("latest", "sha", "branch", "describe", "digest"),
	}
	visit(root, func(cmd *cobra.Command) {
		path := strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")
		if find := arguments[path]; find != nil && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = c.argument(find)
		}
		if cmd.ValidArgsFunction == nil && !strings.Contains(cmd.Use, " ") { // it takes no argument, so no file either
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { c.flag(cmd, f, flags) })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { c.flag(cmd, f, flags) })
	})
	root.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || env.home() == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return plugin.List(plugin.Dir(env.home())), cobra.ShellCompDirectiveNoFileComp
	}
}

func visit(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		visit(sub, do)
	}
}

// flag completes the value of a flag by its name, or by its type where that
// says enough. A flag that has a completion keeps it.
func (c completer) flag(cmd *cobra.Command, f *pflag.Flag, byName map[string]names) {
	find := byName[f.Name]
	if v, ok := f.Value.(interface{ Words() []string }); ok {
		find = fixed(v.Words()...)
	}
	switch {
	case f.Value.Type() == "bool":
		return
	case f.Name == "yaml":
		// The flag exists, so this cannot fail; the same below.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt))
		return
	case f.Name == "handler": // a folder
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
		return
	case find == nil:
		return
	}
	if _, exists := cmd.GetFlagCompletionFunc(f.Name); exists {
		return
	}
	_ = cmd.RegisterFlagCompletionFunc(f.Name, func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return c.quietly(cmd, args, find), cobra.ShellCompDirectiveNoFileComp
	})
}

// argument completes the first argument of a command.
func (c completer) argument(find names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !strings.Contains(cmd.Use, "...") {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := c.quietly(cmd, args, find)
		found = slices.DeleteFunc(found, func(name string) bool { return slices.Contains(args, name) })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// quietly looks for names in an environment that nothing is printed in.
func (c completer) quietly(cmd *cobra.Command, args []string, find names) []string {
	ctx, cancel := context.WithTimeout(gateway.WithoutRetry(cmd.Context()), c.env.CompletionTime)
	defer cancel()
	found := find(ctx, cmd, args)
	slices.Sort(found)
	return slices.Compact(found)
}

func fixed(values ...string) names {
	return func(context.Context, *cobra.Command, []string) []string { return slices.Clone(values) }
}

// silent is the environment without its terminal.
func (c completer) silent() *Env {
	env := *c.env
	env.Term = term.Test(strings.NewReader(""), io.Discard, io.Discard)
	return &env
}

// stackFile reads the stack file of the command line, if it is a file here.
func (c completer) stackFile(ctx context.Context, cmd *cobra.Command) *stack.File {
	o := stackFlags{files: stackFiles(cmd), envsubst: true} // --filter or --regex may be what is being completed
	o.complete(cmd)
	env := c.silent()
	found, err := env.discoverStack(o)
	if err != nil || len(found.Paths) == 0 || slices.ContainsFunc(found.Paths, stack.IsURL) {
		return nil
	}
	opts, err := env.stackOptions(o)
	if err != nil {
		return nil
	}
	file, err := stack.Load(ctx, found.Paths, opts)
	if err != nil {
		return nil
	}
	return file
}

// client talks to the gateway of the command line so far.
func (c completer) client(ctx context.Context, cmd *cobra.Command) (client *gateway.Client, namespace string, ok bool) {
	f := cmd.Flags()
	text := func(name string) string {
		if flag := f.Lookup(name); flag != nil {
			return flag.Value.String()
		}
		return ""
	}
	g := gatewayFlags{
		url: text("gateway"), context: text("context"), token: text("token"), namespace: text("namespace"),
		tlsNoVerify: text("tls-no-verify") == "true", explicit: f.Changed("gateway"),
	}
	env := c.silent()
	client, t, err := env.gatewayClient(g, gatewayOf(c.stackFile(ctx, cmd)))
	if err != nil {
		return nil, "", false
	}
	return client, env.namespaceAt(g, t, ""), true
}

func (c completer) stackFunctions(ctx context.Context, cmd *cobra.Command, _ []string) []string {
	file := c.stackFile(ctx, cmd)
	if file == nil {
		return nil
	}
	var found []string
	for _, fn := range file.Functions {
		found = append(found, fn.Name)
	}
	return found
}

// functions are those of the stack file and those of the gateway.
func (c completer) functions(ctx context.Context, cmd *cobra.Command, words []string) []string {
	found := c.stackFunctions(ctx, cmd, words)
	client, namespace, ok := c.client(ctx, cmd)
	if !ok {
		return found
	}
	list, err := gateway.List[struct {
		Name string `json:"name"`
	}](ctx, client, namespace)
	if err != nil {
		return found
	}
	for _, fn := range list {
		found = append(found, fn.Name)
	}
	return found
}

func (c completer) namespaces(ctx context.Context, cmd *cobra.Command, _ []string) []string {
	client, _, ok := c.client(ctx, cmd)
	if !ok {
		return nil
	}
	found, err := client.Namespaces(ctx)
	if err != nil {
		return nil
	}
	return found
}

func (c completer) secrets(ctx context.Context, cmd *cobra.Command, _ []string) []string {
	client, namespace, ok := c.client(ctx, cmd)
	if !ok {
		return nil
	}
	list, err := client.Secrets(ctx, namespace)
	if err != nil {
		return nil
	}
	var found []string
	for _, s := range list {
		found = append(found, s.Name)
	}
	return found
}

func (c completer) contexts(context.Context, *cobra.Command, []string) []string {
	all, err := c.silent().contexts()
	if err != nil {
		return nil
	}
	var found []string
	for _, x := range all.Contexts {
		found = append(found, x.Name)
	}
	return found
}

func (c completer) storeFunctions(ctx context.Context, cmd *cobra.Command, _ []string) []string {
	var o storeFlags
	o.url, _ = cmd.Flags().GetString("url")
	o.platform, _ = cmd.Flags().GetString("platform")
	o.complete(cmd)
	all, err := c.silent().functionStore(ctx, o)
	if err != nil {
		return nil
	}
	var found []string
	for _, fn := range functionstore.ForPlatform(all, o.platform) {
		found = append(found, fn.Name)
	}
	return found
}

func (c completer) storeTemplates(ctx context.Context, cmd *cobra.Command, _ []string) []string {
	url := ""
	if f := cmd.Flags().Lookup("url"); f != nil {
		url = f.Value.String()
	}
	env := c.silent()
	cache, clean, err := env.templateCache()
	if err != nil {
		return nil
	}
	defer func() { _ = clean() }() // only there where no cache is kept
	list, err := env.templateStores(url, cache, false, env.CompletionTime).List(ctx)
	if err != nil {
		return nil
	}
	var found []string
	for _, t := range list {
		found = append(found, t.Template)
	}
	return found
}

// templates are those in ./template.
func (c completer) templates(context.Context, *cobra.Command, []string) []string {
	entries, err := os.ReadDir(filepath.Join(c.env.Dir, "template"))
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			found = append(found, e.Name())
		}
	}
	return found
}

// allTemplates are those at hand, those in the program, and those of the
// store.
func (c completer) allTemplates(ctx context.Context, cmd *cobra.Command, words []string) []string {
	found := append(c.templates(ctx, cmd, words), templates.Embedded()...)
	return append(found, c.storeTemplates(ctx, cmd, words)...)
}
