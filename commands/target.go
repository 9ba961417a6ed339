package commands

import (
	"cmp"
	"errors"
	"net/url"
	"strings"

	"github.com/faas-cli/faas-cli/internal/credentials"
	"github.com/faas-cli/faas-cli/local"
)

// target is the gateway that a command talks to.
type target struct {
	url *url.URL // normalised: lower-case scheme and host, no trailing slash

	// local is the running local platform if the address is its own. Whether
	// it really answers there, only its proof tells.
	local *local.Instance

	// context is the named gateway that this is; nil: it was named otherwise.
	context *credentials.Context

	origin string // what named it, for people
}

// originDefault is the origin of a target that nothing named.
const originDefault = "the default"

// resolveTarget decides which gateway is meant. stackGateway is the one that
// the stack file names, or "". The order is
//
//	--gateway, if given at all
//	--context or OPENFAAS_CONTEXT
//	the stack file, unless it names the default, as files made by new do
//	OPENFAAS_URL
//	the current context
//	the running local platform
//	http://127.0.0.1:8080
func (e *Env) resolveTarget(f gatewayFlags, stackGateway string) (target, error) {
	if f.explicit && f.context != "" {
		return target{}, usagef("--gateway and --context contradict each other")
	}
	instance := e.localInstance()
	var named, current *credentials.Context
	if !f.explicit {
		var err error
		if named, err = e.namedContext(f); err != nil {
			return target{}, err
		}
	}
	text, origin := defaultGateway, originDefault
	var used *credentials.Context
	switch {
	case f.explicit:
		text, origin = f.url, "--gateway"
	case named != nil:
		text, origin, used = named.Gateway, "context "+named.Name, named
	case stackGateway != "" && stackGateway != defaultGateway:
		text, origin = stackGateway, "the stack file's provider.gateway"
	case e.get("OPENFAAS_URL") != "":
		text, origin = e.get("OPENFAAS_URL"), "OPENFAAS_URL"
	case e.currentContext(&current):
		text, origin, used = current.Gateway, "context "+current.Name, current
	case instance != nil:
		text, origin = instance.URL(), "the local platform's state"
	}
	u, err := normaliseGateway(text)
	if err != nil {
		return target{}, usagef("%s: %w", origin, err)
	}
	t := target{url: u, context: used, origin: origin}
	if instance != nil && instance.Is(u) {
		t.local = instance
	}
	return t, nil
}

// tls returns the settings of the target's context.
func (t target) tls() credentials.TLS {
	if t.context == nil {
		return credentials.TLS{}
	}
	return t.context.TLS
}

// namespaceAt decides which namespace is meant: --namespace, else the function's
// in the stack file, else the context's, else OPENFAAS_NS. Empty means the
// gateway's default.
func (e *Env) namespaceAt(f gatewayFlags, t target, inStack string) string {
	inContext := ""
	if t.context != nil {
		inContext = t.context.Namespace
	}
	return cmp.Or(f.namespace, inStack, inContext, e.get("OPENFAAS_NS"))
}

// localInstance returns the running local platform of this user, or nil. A
// state folder that cannot be read counts as none: local status says why.
func (e *Env) localInstance() *local.Instance {
	dir, err := local.StateDir(e.Lookup)
	if err != nil {
		return nil
	}
	instance, err := local.Discover(dir)
	if err != nil {
		return nil
	}
	return &instance
}

// normaliseGateway reads a gateway's address as people write it: without a
// scheme it is http, trailing slashes do not count, scheme and host are case
// insensitive and the path is not.
func normaliseGateway(text string) (*url.URL, error) {
	full := strings.TrimSpace(text)
	if full == "" {
		return nil, errors.New("the gateway's URL is empty")
	}
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		// The parser's text repeats the URL, which may hold a password.
		return nil, errors.New("the gateway's URL cannot be read, want http://HOST[:PORT][/PATH]")
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("the gateway's URL " + u.Redacted() + " is not http:// or https:// and a host")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}
