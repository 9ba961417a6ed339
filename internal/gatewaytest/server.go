// Package gatewaytest is an OpenFaaS gateway in memory, served over real HTTP,
// for tests: what was deployed is listed, what was removed is gone. Faults can
// be put in front of any endpoint.
package gatewaytest

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/schema"
)

// DefaultNamespace is the namespace of requests that name none.
const DefaultNamespace = "openfaas-fn"

// Options of a server. The zero value is a gateway that wants no credentials
// and answers as the one for Kubernetes does.
type Options struct {
	User, Password string // Basic credentials of the control plane; empty: none wanted
	Token          string // a bearer token that is accepted as well

	BasePath string // in front of every endpoint: "/sub"
	TLS      bool   // with a certificate that nobody trusts; see Server.Certificate

	// PollsToReady is how often the status of a new function has to be asked
	// before its replicas are available.
	PollsToReady int

	// Delay is how long every answer takes to begin, as with a real network.
	Delay time.Duration
}

// Server is a running gateway. Its methods are safe for concurrent use.
type Server struct {
	URL string // with the base path, without a final slash

	o    Options
	http *httptest.Server
	mux  *http.ServeMux

	mu         sync.Mutex
	functions  map[key]*function
	secrets    map[key]schema.Secret
	namespaces map[string]schema.FunctionNamespace
	handlers   map[string]http.Handler // functions' behaviour by name
	logs       []schema.LogMessage
	grown      chan struct{} // closed and replaced when logs grows
	faults     []*Fault
	requests   []Request
	calls      int // asynchronous ones, for their ids
	inFlight   int
	peak       int
}

type key struct{ namespace, name string }

type function struct {
	status schema.FunctionStatus
	polls  int // left until it is ready
}

// Request is one that the server received.
type Request struct {
	Method string
	Path   string // as sent, still escaped, with the base path
	Query  string // raw
	Header http.Header
	Body   string // at most 1 MiB of it
}

// New starts a server that ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s := Start(o)
	t.Cleanup(s.Close)
	return s
}

// Start starts a server for callers that have no testing.TB. They close it.
func Start(o Options) *Server {
	s := &Server{o: o, handlers: map[string]http.Handler{}, grown: make(chan struct{})}
	s.Reset()
	s.routes()
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // refused handshakes are part of tests
	if o.TLS {
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	s.URL = s.http.URL + strings.TrimRight(o.BasePath, "/")
	return s
}

// Close ends all requests and the server. Handlers that hang see their
// connection go.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Reset forgets everything but faults, handlers and logs.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functions = map[key]*function{}
	s.secrets = map[key]schema.Secret{}
	s.namespaces = map[string]schema.FunctionNamespace{DefaultNamespace: {Name: DefaultNamespace}}
	s.requests, s.peak = nil, 0
}

// Certificate is the server's own, for clients that are to trust it.
func (s *Server) Certificate() *x509.Certificate { return s.http.Certificate() }

// Requests returns what was received so far, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ResetRequests forgets them.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.peak = nil, 0
}

// Peak is the largest number of requests that were served at once.
func (s *Server) Peak() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peak
}

// Deploy puts a function in place as a PUT of the control plane would.
func (s *Server) Deploy(d schema.FunctionDeployment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(d)
}

// Edit changes the status of a deployed function.
func (s *Server) Edit(name, namespace string, edit func(*schema.FunctionStatus)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn, ok := s.functions[at(namespace, name)]
	if !ok {
		return fmt.Errorf("no function %q", name)
	}
	edit(&fn.status)
	return nil
}

// Functions returns what is deployed, in all namespaces, by namespace and name.
func (s *Server) Functions() []schema.FunctionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list(func(key) bool { return true })
}

// AddSecret puts a secret in place.
func (s *Server) AddSecret(secret schema.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := at(secret.Namespace, secret.Name)
	secret.Namespace = k.namespace
	s.secrets[k] = secret
}

// Secret returns a secret with its value.
func (s *Server) Secret(name, namespace string) (schema.Secret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret, ok := s.secrets[at(namespace, name)]
	return secret, ok
}

// AddNamespace puts a namespace in place.
func (s *Server) AddNamespace(ns schema.FunctionNamespace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces[ns.Name] = ns
}

// AddLogs appends to the log; those who follow it get them at once.
func (s *Server) AddLogs(messages ...schema.LogMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs = append(s.logs, messages...)
	close(s.grown)
	s.grown = make(chan struct{})
}

// Handle says what a function does. Without it a function returns its request
// body.
func (s *Server) Handle(name string, h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[name] = h
}

// serve records a request and lets faults come first.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	const keep = 1 << 20
	body, _ := io.ReadAll(io.LimitReader(r.Body, keep))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))

	s.mu.Lock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: string(body),
	})
	s.inFlight++
	s.peak = max(s.peak, s.inFlight)
	fault := s.fault(r)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()

	if s.o.Delay > 0 {
		timer := time.NewTimer(s.o.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if fault != nil {
		fault.Handler.ServeHTTP(w, r)
		return
	}
	http.StripPrefix(strings.TrimRight(s.o.BasePath, "/"), s.mux).ServeHTTP(w, r)
}

func at(namespace, name string) key {
	if namespace == "" {
		namespace = DefaultNamespace
	}
	return key{namespace, name}
}

// put needs the lock.
func (s *Server) put(d schema.FunctionDeployment) {
	k := at(d.Namespace, d.Service)
	status := schema.FunctionStatus{
		Name: d.Service, Image: d.Image, Namespace: k.namespace, EnvProcess: d.EnvProcess, EnvVars: d.EnvVars,
		Constraints: d.Constraints, Secrets: d.Secrets, Labels: &d.Labels, Annotations: &d.Annotations,
		Limits: d.Limits, Requests: d.Requests, ReadOnlyRootFilesystem: d.ReadOnlyRootFilesystem,
		Replicas: 1, AvailableReplicas: 1,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(len(s.functions)) * time.Second),
	}
	if old, ok := s.functions[k]; ok {
		status.InvocationCount, status.CreatedAt = old.status.InvocationCount, old.status.CreatedAt
	}
	if s.o.PollsToReady > 0 {
		status.AvailableReplicas = 0
	}
	s.functions[k] = &function{status: status, polls: s.o.PollsToReady}
}

// list needs the lock.
func (s *Server) list(want func(key) bool) []schema.FunctionStatus {
	list := []schema.FunctionStatus{}
	for k, fn := range s.functions {
		if want(k) {
			list = append(list, fn.status)
		}
	}
	slices.SortFunc(list, func(a, b schema.FunctionStatus) int {
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone, which it knows
}
