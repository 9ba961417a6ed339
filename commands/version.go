package commands

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

// unreleased is the version of a program that was built without one.
const unreleased = "dev"

type versionOptions struct {
	gateway gatewayFlags
	stack   stackFlags
	format  formatFlags
	short   bool
	warn    bool
}

func newVersionCmd(env *Env) *cobra.Command {
	var o versionOptions
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of faas-cli and of the gateway",
		Long: `Print the versions of faas-cli and, if it answers, of the gateway and its
provider. With --output json a gateway that does not answer is an error.`,
		Example: "  faas-cli version\n  faas-cli version --short-version\n  faas-cli version --output json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.gateway.complete(cmd)
			o.stack.complete(cmd)
			return runVersion(cmd.Context(), env, o)
		},
	}
	o.gateway.register(cmd)
	o.gateway.registerTimeoutOf(cmd, infoTimeout, "longest `time` for the gateway to answer; 0 is no limit")
	o.stack.register(cmd)
	o.format.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.short, "short-version", false, "print the version of faas-cli alone")
	f.BoolVar(&o.warn, "warn-update", true, "say so if there is a newer release")
	return cmd
}

// versionInfo is what version prints; what is not known is empty.
type versionInfo struct {
	CLI struct {
		Commit  string `json:"commit"`
		Version string `json:"version"`
	} `json:"cli"`
	Gateway struct {
		URI     string `json:"uri"`
		Version string `json:"version"`
		SHA     string `json:"sha"`
	} `json:"gateway"`
	Provider struct {
		Name          string `json:"name"`
		Orchestration string `json:"orchestration"`
		Version       string `json:"version"`
		SHA           string `json:"sha"`
	} `json:"provider"`
}

const (
	// infoTimeout bounds the question to the gateway unless --timeout does.
	infoTimeout = 5 * time.Second
	// releaseTimeout bounds the look for a newer release, of which a version
	// can do without.
	releaseTimeout = 2 * time.Second
)

func runVersion(ctx context.Context, env *Env, o versionOptions) error {
	version := cmp.Or(env.Version, unreleased)
	if o.short {
		return env.resultf("%s", version)
	}
	var g errgroup.Group
	var newest string
	if o.warn && env.Version != "" {
		g.Go(func() error {
			newest = env.newestRelease(ctx)
			return nil
		})
	}
	info, uri, err := env.gatewayInfo(ctx, o)
	_ = g.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !o.format.table() {
		return err
	}
	v := describeVersions(version, env.Commit, uri, info)
	switch o.format.format() {
	case output.JSON:
		err = output.WriteJSON(env.Term.Out, v)
	case output.YAML:
		err = output.WriteYAML(env.Term.Out, v)
	case output.Name:
		err = env.resultf("%s", version)
	default:
		err = printVersions(env, v, err == nil)
	}
	if newest != "" && strings.TrimPrefix(newest, "v") != strings.TrimPrefix(version, "v") {
		env.progressf("The newest release of faas-cli is %s, this is %s. Get it at %s", newest, version, releasesURL)
	}
	return err
}

// gatewayInfo asks the gateway. A stack file that cannot be read does not
// matter: the versions may be wanted to find out why.
func (e *Env) gatewayInfo(ctx context.Context, o versionOptions) (schema.GatewayInfo, string, error) {
	file, err := e.peekStack(ctx, o.stack)
	if err != nil {
		file = nil
	}
	client, _, err := e.gatewayClient(o.gateway, gatewayOf(file))
	if err != nil {
		return schema.GatewayInfo{}, "", err
	}
	info, err := client.Info(gateway.WithoutRetry(ctx))
	return info, client.BaseURL(), err
}

func describeVersions(version, commit, uri string, info schema.GatewayInfo) versionInfo {
	var v versionInfo
	v.CLI.Version, v.CLI.Commit = version, commit
	v.Gateway.URI = uri
	if info.Version != nil {
		v.Gateway.Version, v.Gateway.SHA = info.Version.Release, info.Version.SHA
	}
	if p := info.Provider; p != nil {
		v.Provider.Name, v.Provider.Orchestration = p.Name, p.Orchestration
		if p.Version != nil {
			v.Provider.Version, v.Provider.SHA = p.Version.Release, p.Version.SHA
		}
	}
	return v
}

func printVersions(env *Env, v versionInfo, gatewayAnswers bool) error {
	var b bytes.Buffer
	if env.Term.OutTTY {
		fmt.Fprintln(&b, logo(env.Term))
	}
	fmt.Fprintf(&b, "CLI:\n  commit:  %s\n  version: %s\n", v.CLI.Commit, v.CLI.Version)
	if gatewayAnswers {
		fmt.Fprintf(&b, "\nGateway\n uri:     %s\n version: %s\n sha:     %s\n", v.Gateway.URI, env.shown(v.Gateway.Version), env.shown(v.Gateway.SHA))
		p := v.Provider
		fmt.Fprintf(&b, "\n\nProvider\n name:          %s\n orchestration: %s\n version:       %s\n sha:           %s\n",
			env.shown(p.Name), env.shown(p.Orchestration), env.shown(p.Version), env.shown(p.SHA))
	}
	_, err := env.Term.Out.Write(b.Bytes())
	return err
}

// releasesURL shows the releases of faas-cli; the newest one is where
// …/latest redirects to.
const releasesURL = "https://github.com/faas-cli/faas-cli/releases"

// newestRelease returns the newest release's version, or "" where that cannot
// be found out in time.
func (e *Env) newestRelease(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(gateway.WithoutRetry(ctx), releaseTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, releasesURL+"/latest", nil)
	if err != nil {
		return ""
	}
	hc := e.httpClient()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := hc.Do(req)
	if err != nil {
		return ""
	}
	_ = resp.Body.Close() // a HEAD has none
	location, err := resp.Location()
	if err != nil || !strings.Contains(location.Path, "/tag/") {
		return ""
	}
	return path.Base(location.Path)
}
