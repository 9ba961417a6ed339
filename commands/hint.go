package commands

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/builder"
	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/credentials"
	"github.com/faas-cli/faas-cli/internal/engine"
	"github.com/faas-cli/faas-cli/internal/git"
	"github.com/faas-cli/faas-cli/local"
	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// isUnauthorized says that credentials are missing or were refused.
func isUnauthorized(err error) bool {
	var registry *builder.RegistryError
	return errors.Is(err, gateway.ErrUnauthorized) || errors.Is(err, engine.ErrDenied) || errors.As(err, &registry) && registry.Unauthorized()
}

// loginHint is the advice to who has no credentials, or wrong ones.
const loginHint = "run faas-cli login to save credentials for this gateway, or give --token"

// hint says what the user can do about err, or nothing. path is the command's
// path.
func hint(err error, path string) string {
	var h hinter
	if errors.As(err, &h) && h.Hint() != "" {
		return h.Hint()
	}
	var usage *UsageError
	var base *builder.BaseImageError
	var registry *builder.RegistryError
	var tool *builder.ToolError
	var noLocal *builder.NoLocalError
	switch {
	case errors.As(err, &usage):
		return "see " + path + " --help"
	case errors.As(err, &base) && base.Native:
		return "where base images cannot be pulled, --builder native builds this function without any"
	case errors.As(err, &tool):
		return "install " + tool.Tool + ", or build with a container engine: --builder docker"
	case errors.As(err, &noLocal):
		return "trust its local block if it has one (faas-cli template trust " + noLocal.Language + "), or use --builder docker"
	case errors.As(err, &registry) && registry.Unauthorized():
		return "save credentials for " + registry.Registry + " with docker login or faas-cli registry-login"
	case errors.Is(err, engine.ErrDenied):
		return "save credentials for the registry with docker login or faas-cli registry-login"
	case errors.As(err, &registry) && registry.Unreachable():
		return "is the registry up, and does the name of the image begin with the right one?"
	case engine.IsUnavailable(err):
		return "start the container engine, or name another with DOCKER_HOST"
	case errors.Is(err, local.ErrSilent):
		return "faas-cli local logs shows what it does; to start it anew: faas-cli local stop, then faas-cli local start"
	case isUnauthorized(err):
		return loginHint
	case errors.Is(err, gateway.ErrUntrusted):
		return "add the gateway's CA to a context (faas-cli context add --ca-file), or skip the check with --tls-no-verify"
	case errors.Is(err, gateway.ErrUnreachable):
		return unreachableHint(err)
	case errors.Is(err, stack.ErrNoMatch):
		return "faas-cli stack list shows the functions"
	case errors.Is(err, gateway.ErrNotFound):
		return notFoundHint(path)
	}
	return cmp.Or(templateHint(err, path), answerHint(err))
}

// templateHint is about a template that cannot be had.
func templateHint(err error, path string) string {
	var link *templates.LinkError
	var locked *templates.LockedError
	var protected *templates.ProtectedError
	var store *templates.StoreError
	switch {
	case errors.Is(err, git.ErrMissing):
		return "install git; the templates that come with faas-cli need none: " + strings.Join(templates.Embedded(), ", ")
	case errors.As(err, &link):
		return "if you trust that folder, link it yourself: faas-cli template link " + link.Dir
	case errors.As(err, &locked):
		return "run the command without --locked (in CI: --locked=false) and commit " + templates.LockFile
	case errors.As(err, &protected) && len(protected.Modified) > 0:
		return "--force replaces them too"
	case errors.Is(err, templates.ErrNotFound):
		switch strings.TrimPrefix(path, "faas-cli template ") {
		case "outdated", "remove", "trust", "update":
			return "faas-cli template list shows the templates of this project"
		}
		return "faas-cli template store list shows what there is"
	case errors.As(err, &store):
		return "templates that need no store: " + strings.Join(templates.Embedded(), ", ")
	}
	return ""
}

// savedTokenHint replaces loginHint where a token, no password, is saved for
// the gateway: login does not make another. That it has run out is told only
// after a refusal, since this machine's clock may be wrong.
func (e *Env) savedTokenHint(err error) string {
	var refused *gateway.Error
	if !errors.As(err, &refused) {
		return ""
	}
	store, err := e.credentialStore()
	if err != nil {
		return ""
	}
	entries, _ := store.Entries() // what cannot be read has been told already
	for _, entry := range entries {
		if entry.Auth == credentials.Basic || entry.Token == "" || !strings.HasPrefix(refused.URL, strings.TrimRight(entry.Gateway, "/")+"/") {
			continue
		}
		token, _ := parseToken(entry.Token)
		if end := token.expiry(); !end.IsZero() && end.Before(e.Now()) {
			return fmt.Sprintf("the token saved for %s ran out at %s: get a new one where it came from, or give one with --token",
				entry.Gateway, end.UTC().Format(time.RFC3339))
		}
		return fmt.Sprintf("a token is saved for %s: get a new one where it came from, or give another with --token", entry.Gateway)
	}
	return ""
}

// notFoundHint tells how to see what there is.
func notFoundHint(path string) string {
	switch strings.TrimPrefix(path, "faas-cli ") {
	case "invoke": // nothing tells the gateway's 404 from one of the function's own
		return "faas-cli list shows what is deployed; a function that is there answered this itself"
	case "describe", "logs", "ready", "remove", "scale":
		return "faas-cli list shows what is deployed; --namespace looks in another namespace"
	case "secret remove", "secret update":
		return "faas-cli secret list shows what there is; --namespace looks in another namespace"
	}
	return ""
}

// answerHint is about what a gateway answers, or has not answered yet.
func answerHint(err error) string {
	var e *gateway.Error
	switch {
	case errors.Is(err, gateway.ErrTimeout):
		return "--timeout allows more time"
	case !errors.As(err, &e):
		return ""
	case e.RetryAfter > 0:
		return "the server asks to wait " + e.RetryAfter.Round(time.Second).String()
	case e.Location != "":
		return "if that is the gateway, name it with --gateway or OPENFAAS_URL"
	}
	return ""
}

// unreachableHint looks for who is away: a proxy, the local platform that the
// default address stands for, or the gateway.
func unreachableHint(err error) string {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "proxyconnect" {
		return "it is the proxy that cannot be reached: see HTTP_PROXY and HTTPS_PROXY, or name the gateway's host in NO_PROXY"
	}
	var e *gateway.Error
	if errors.As(err, &e) && strings.HasPrefix(e.URL, defaultGateway+"/") {
		return "start the local platform with faas-cli local start, or name a gateway with --gateway or OPENFAAS_URL"
	}
	return "is the gateway up, and is its address right (--gateway, OPENFAAS_URL)?"
}
