package commands

import (
	"context"
	"net"
	"net/url"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/stack"
)

// stackGatewayClient is gatewayClient for commands that ask the stack file
// which gateway is meant. namespace decides for a function of that name, or for
// none (""), which namespace is meant.
func (e *Env) stackGatewayClient(ctx context.Context, g gatewayFlags, s stackFlags) (gw *gateway.Client, namespace func(function string) string, err error) {
	file, err := e.peekStack(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	gw, t, err := e.gatewayClient(g, gatewayOf(file))
	return gw, func(function string) string { return e.namespaceAt(g, t, stackNamespace(file, function)) }, err
}

// gatewayOf is the gateway that a stack file names, or "".
func gatewayOf(file *stack.File) string {
	if file == nil {
		return ""
	}
	return file.Gateway
}

// stackNamespace is the namespace that a stack file gives a function, or "".
func stackNamespace(file *stack.File, name string) string {
	if file == nil {
		return ""
	}
	fn, ok := file.Function(name)
	if !ok {
		return ""
	}
	return fn.Namespace
}

// warnPlainHTTP says so where credentials or secrets leave this machine in the
// clear.
func (e *Env) warnPlainHTTP(gatewayURL string, g gatewayFlags) {
	u, err := url.Parse(gatewayURL)
	if err != nil || u.Scheme == "https" || g.tlsNoVerify {
		return
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	e.warnf("the connection to %s is not encrypted, consider using HTTPS", gatewayURL)
}
