package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/stack"
)

// remoteStackTimeout bounds the download of a stack file.
const remoteStackTimeout = 2 * time.Minute

// discoverStack finds the stack files that o means, with the overlay of
// --env-name or OPENFAAS_ENV, and tells the user what is not obvious.
func (e *Env) discoverStack(o stackFlags) (stack.Discovered, error) {
	files := o.files
	if o.explicit && len(files) == 0 {
		files = []string{""}
	}
	d, err := stack.Discover(e.Dir, files)
	if err != nil {
		return d, err
	}
	for _, note := range d.Notes {
		e.progressf("note: %s", note)
	}
	name := o.envName
	if name == "" {
		name = e.get("OPENFAAS_ENV")
	}
	if name == "" || len(d.Paths) == 0 || stack.IsURL(d.Paths[0]) {
		return d, nil
	}
	if strings.ContainsAny(name, `/\`) {
		return d, usagef("--env-name %q: want a name, not a path", name)
	}
	switch path, ok := stack.Overlay(e.Dir, d.Paths[0], name); {
	case ok:
		d.Paths = append(d.Paths, path)
	case o.envName != "":
		e.progressf("note: there is no %s, so --env-name %s changes nothing", path, name)
	}
	return d, nil
}

// peekStack reads the stack file of a command that can do without, nil when
// there is none, and that wants no more than the gateway and the namespaces:
// warnings are for those that build or deploy what is there.
func (e *Env) peekStack(ctx context.Context, o stackFlags) (*stack.File, error) {
	d, err := e.discoverStack(o)
	if err != nil || len(d.Paths) == 0 {
		return nil, err
	}
	opts, err := e.stackOptions(o)
	if err != nil {
		return nil, err
	}
	return stack.Load(ctx, d.Paths, opts)
}

// requireStack reads the stack file of a command that needs one.
func (e *Env) requireStack(ctx context.Context, o stackFlags) (*stack.File, error) {
	d, err := e.discoverStack(o)
	if err != nil {
		return nil, err
	}
	if err := needStack(d); err != nil {
		return nil, err
	}
	return e.loadDiscovered(ctx, o, d)
}

// errNoStack: a stack file is needed, and there is none.
var errNoStack = errors.New("no stack.yaml or stack.yml is here and no other stack file was given")

// orWithout adds, where there is no stack file, what the command takes instead.
func orWithout(err error, instead string) error {
	if errors.Is(err, errNoStack) {
		return withHint(err, "give %s, or name a stack file with -f", instead)
	}
	return err
}

// needStack is the error of a command that needs a stack file and found none.
func needStack(d stack.Discovered) error {
	switch {
	case len(d.Candidates) > 0:
		return withHint(fmt.Errorf("several stack files are here: %s", strings.Join(d.Candidates, ", ")),
			"choose one with -f, as in -f %s", d.Candidates[0])
	case len(d.Paths) == 0:
		return withHint(errNoStack, "create one with faas-cli new, or name one with -f")
	}
	return nil
}

// loadDiscovered reads stack files and prints their warnings.
func (e *Env) loadDiscovered(ctx context.Context, o stackFlags, d stack.Discovered) (*stack.File, error) {
	opts, err := e.stackOptions(o)
	if err != nil {
		return nil, err
	}
	f, err := stack.Load(ctx, d.Paths, opts)
	if err != nil {
		return nil, err
	}
	for _, w := range f.Warnings {
		if w.Rule == stack.RuleRemoteVars {
			w.Message += " (--envsubst gives it the environment)"
		}
		e.warnf("%s", w)
	}
	return f, nil
}

// stackOptions are the load options that the flags say.
func (e *Env) stackOptions(o stackFlags) (stack.LoadOptions, error) {
	opts := stack.LoadOptions{
		Dir:    e.Dir,
		Fetch:  e.fetchStack,
		Select: stack.Selector{Filter: o.filter, Regex: o.regex},
		Strict: o.strict,
	}
	if err := opts.Select.Check(); err != nil {
		return opts, &UsageError{Err: err}
	}
	if !o.envsubst {
		return opts, nil
	}
	lookup, err := stack.EnvFiles(e.Dir, o.envFiles, e.Lookup)
	opts.Lookup = lookup
	opts.TrustRemote = o.envsubstExplicit
	return opts, err
}

// fetchStack reads a remote stack file: it sends no credentials and accepts
// nothing but 200.
func (e *Env) fetchStack(ctx context.Context, url string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteStackTimeout)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := e.httpClient().Do(req)
	if err != nil {
		cancel()
		var failed *neturl.Error // names the URL, as our caller does
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		cancel()
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	return cancelBody{resp.Body, cancel}, nil
}

// cancelBody is a body whose context ends when it is closed.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
