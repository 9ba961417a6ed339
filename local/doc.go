// Package local is an OpenFaaS-compatible platform on one machine: the control plane, the function proxy and the
// asynchronous queue of a gateway, over functions that run as containers or as supervised processes
// (internal/runtime), with its state in one folder.
//
// The platform serves one person. It listens on the loopback address only, answers only requests that name it, and
// wants credentials for everything but calling functions; see docs/local.md for what that does and does not protect.
package local
