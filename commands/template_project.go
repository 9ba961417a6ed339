package commands

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faas-cli/faas-cli/local"
	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// templateFlags say where templates that are not at hand may come from.
type templateFlags struct {
	offline bool
	locked  bool
	timeout time.Duration

	lockedExplicit bool // --locked was given, in either way
	trace          bool // show the git commands that fetch templates
}

// register adds --offline, --locked and --template-timeout.
func (o *templateFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.offline, "offline", false, "take templates from the cache and the program only, ask nobody")
	f.BoolVar(&o.locked, "locked", false, "fail if template.lock would change (default true in CI when there is one)")
	f.DurationVar(&o.timeout, "template-timeout", templates.DefaultTimeout, "`time` that fetching one template repository may take")
}

// complete reads what only the parsed command line knows.
func (o *templateFlags) complete(cmd *cobra.Command) {
	o.lockedExplicit = cmd.Flags().Changed("locked")
}

// templateSources say which templates a command knows of beyond the project's
// own folder.
type templateSources struct {
	stackFile string                  // whose folder holds template.lock; "": the working directory, and so for a URL
	declared  []schema.TemplateSource // configuration.templates; nil also with --disable-stack-pull
	storeURLs string                  // --url; "": the environment's, or the default
}

// How long a template store may take: while a template is looked for the
// embedded ones are an alternative, a command about the store has none.
const (
	storeLookupTimeout = 2 * time.Second
	storeTimeout       = 5 * time.Second
)

// templateProject is the opened templates of the working directory.
type templateProject struct {
	*templates.Project
	root  *os.Root
	clean func() error // removes a cache that is only for this run
}

// Close releases the folders and files; templates that were opened are of no
// use afterwards.
func (p *templateProject) Close() error {
	return errors.Join(p.Folder.Close(), p.root.Close(), p.clean())
}

// openTemplates opens the templates of the working directory. It asks nobody
// and writes nothing. The caller closes the result.
func (e *Env) openTemplates(o templateFlags, s templateSources) (*templateProject, error) {
	lock, err := templates.OpenLock(e.lockPath(s.stackFile))
	if err != nil {
		return nil, err
	}
	cache, clean, err := e.templateCache()
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(e.Dir)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	trust := e.templateTrust()
	locked := o.locked
	if !o.lockedExplicit && e.ci() && lock.Exists() {
		locked = true
	}
	var progress io.Writer
	if e.Term.ErrTTY {
		progress = e.Term.Err
	}
	p := &templates.Project{
		Dir:    e.Dir,
		Folder: templates.OpenFolder(root).WithTrust(trust),
		Lock:   lock,
		Trust:  trust,
		Fetcher: &templates.Fetcher{
			Cache: cache, Offline: o.offline, Timeout: o.timeout, Progress: progress, Warn: e.warnf,
		},
		Declared:     s.declared,
		Stores:       e.templateStores(s.storeURLs, cache, o.offline, storeLookupTimeout),
		EmbeddedOnly: e.get("OPENFAAS_TEMPLATE_SOURCE") == "embedded",
		Locked:       locked,
		Now:          e.Now,
		Say:          e.progressf,
		Warn:         e.warnf,
	}
	if o.trace || e.debug() {
		p.Fetcher.Trace = e.traceGit
	}
	return &templateProject{Project: p, root: root, clean: clean}, nil
}

// traceGit shows a git command that runs.
func (e *Env) traceGit(args []string) { e.progressf("git %s", strings.Join(args, " ")) }

// functionTemplates makes sure that the templates of the functions are at
// hand: those that are missing are pulled, at the same time and each once.
// Functions that are not built, those without a lang and those that bring their
// own Dockerfile need none. The caller opens the templates from what is
// returned, and closes it.
func (e *Env) functionTemplates(ctx context.Context, o templateFlags, s templateSources, fns []stack.Function) (*templateProject, error) {
	p, err := e.openTemplates(o, s)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, fn := range fns {
		if !fn.SkipBuild && !strings.EqualFold(fn.Language, dockerfileLang) {
			names = append(names, fn.Language)
		}
	}
	if err := p.Ensure(ctx, names); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// lockPath is where template.lock is: beside the stack file.
func (e *Env) lockPath(stackFile string) string {
	if stackFile == "" || stack.IsURL(stackFile) {
		return filepath.Join(e.Dir, templates.LockFile)
	}
	return filepath.Join(filepath.Dir(e.abs(stackFile)), templates.LockFile)
}

// cacheDir is where what can be made again is kept: $XDG_CACHE_HOME/faas-cli,
// or the usual place of the system.
func (e *Env) cacheDir() (string, error) {
	if dir := e.get("XDG_CACHE_HOME"); filepath.IsAbs(dir) { // a relative one is to be ignored: XDG base directory specification
		return filepath.Join(dir, "faas-cli"), nil
	}
	if dir := e.get("LocalAppData"); runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, "faas-cli", "cache"), nil
	}
	home := e.home()
	if home == "" {
		return "", errors.New("find the cache folder: neither XDG_CACHE_HOME nor HOME is set")
	}
	return filepath.Join(home, ".cache", "faas-cli"), nil
}

// templateCache opens the user's template cache. Without a home it is a
// temporary one, which clean removes.
func (e *Env) templateCache() (cache *templates.Cache, clean func() error, err error) {
	dir, err := e.cacheDir()
	if err == nil {
		return templates.OpenCache(filepath.Join(dir, "templates")), func() error { return nil }, nil
	}
	tmp, err := os.MkdirTemp("", "faas-cli-templates-*")
	if err != nil {
		return nil, nil, err
	}
	return templates.OpenCache(tmp), func() error { return os.RemoveAll(tmp) }, nil
}

// templateTrust is what the user trusts; nil, which trusts nothing, where there
// is no data folder.
func (e *Env) templateTrust() *templates.Trust {
	dir, err := local.DataDir(e.Lookup)
	if err != nil {
		return nil
	}
	return templates.OpenTrust(filepath.Join(dir, "templates", "trusted"))
}

// templateStores are the stores that urls (separated by commas) names, or the
// environment, or the default one.
func (e *Env) templateStores(urls string, cache *templates.Cache, offline bool, timeout time.Duration) templates.Stores {
	if urls == "" || urls == templates.DefaultStoreURL {
		if fromEnv := e.get("OPENFAAS_TEMPLATE_STORE_URL"); fromEnv != "" {
			urls = fromEnv
		}
	}
	if urls == "" {
		urls = templates.DefaultStoreURL
	}
	var stores templates.Stores
	for u := range strings.SplitSeq(urls, ",") {
		if u = strings.TrimSpace(u); u == "" {
			continue
		}
		stores = append(stores, &templates.Store{
			URL: u, Client: e.httpClient(), Cache: cache, Timeout: timeout, Offline: offline, Note: e.warnf,
		})
	}
	return stores
}
