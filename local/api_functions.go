package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

const (
	maxBody = 2 << 20 // bytes of a body of the control plane; a secret of Kubernetes has at most 1 MiB

	// deployWait is how long a deployment is waited for, a little less than clients wait for the answer.
	deployWait = 50 * time.Second
)

func (s *Server) listFunctions(w http.ResponseWriter, r *http.Request) {
	all := []schema.FunctionStatus{} // never null
	for _, f := range s.fleet.list(cmp.Or(r.URL.Query().Get("namespace"), DefaultNamespace)) {
		if status, ok := f.status(); ok {
			all = append(all, status)
		}
	}
	writeBody(w, all)
}

func (s *Server) describeFunction(w http.ResponseWriter, r *http.Request) {
	f := s.fleet.lookup(runtime.Ref{Name: r.PathValue("name"), Namespace: cmp.Or(r.URL.Query().Get("namespace"), DefaultNamespace)})
	if f == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	status, ok := f.status()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if u := r.URL.Query().Get("usage"); u == "1" || u == "true" {
		status.Usage = f.usage(r.Context())
	}
	writeBody(w, status)
}

// status describes the function; ok is false while it is being made.
func (f *function) status() (status schema.FunctionStatus, ok bool) {
	rec := f.current()
	d := rec.Deployment
	labels, annotations := d.Labels, d.Annotations
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	return schema.FunctionStatus{
		Name: d.Service, Image: d.Image, Namespace: d.Namespace, EnvProcess: d.EnvProcess, EnvVars: d.EnvVars,
		Constraints: d.Constraints, Secrets: d.Secrets, Labels: &labels, Annotations: &annotations,
		Limits: d.Limits, Requests: d.Requests, ReadOnlyRootFilesystem: d.ReadOnlyRootFilesystem,
		InvocationCount: float64(f.invocations.Load()), Replicas: uint64(rec.Replicas),
		AvailableReplicas: uint64(f.available()), CreatedAt: rec.Created,
	}, rec.Revision != ""
}

// usage adds up what the replicas use, or is nil where nobody can tell.
func (f *function) usage(ctx context.Context) *schema.FunctionUsage {
	var replicas []runtime.Replica
	f.mu.Lock()
	for _, s := range f.slots {
		if s.replica != nil {
			replicas = append(replicas, s.replica)
		}
	}
	f.mu.Unlock()
	var sum *schema.FunctionUsage
	for _, r := range replicas {
		u, ok := r.(runtime.Usager)
		if !ok {
			continue
		}
		cpu, memory, err := u.Usage(ctx)
		if err != nil {
			continue // it is ending
		}
		if sum == nil {
			sum = &schema.FunctionUsage{}
		}
		sum.CPU += cpu
		sum.TotalMemoryBytes += float64(memory)
	}
	return sum
}

func (s *Server) createFunction(w http.ResponseWriter, r *http.Request) {
	s.deploy(w, r, s.fleet.create)
}

func (s *Server) updateFunction(w http.ResponseWriter, r *http.Request) {
	s.deploy(w, r, s.fleet.update)
}

// deploy runs a deployment to its end, also when the client goes away, unless the platform stops. It answers when the function is ready, when it
// failed, or after deployWait.
func (s *Server) deploy(w http.ResponseWriter, r *http.Request, run func(context.Context, schema.FunctionDeployment) (remarks, error)) {
	var d schema.FunctionDeployment
	if !readBody(w, r, &d) {
		return
	}
	d.Namespace = cmp.Or(d.Namespace, DefaultNamespace)
	ref := runtime.Ref{Name: d.Service, Namespace: d.Namespace}
	type outcome struct {
		said remarks
		err  error
	}
	done := make(chan outcome, 1)
	ctx, cancel := s.streamContext(context.WithoutCancel(r.Context()))
	go func() {
		defer cancel()
		said, err := run(ctx, d)
		done <- outcome{said, err}
		if err != nil && r.Context().Err() != nil {
			s.cfg.Log.Warn("deployment failed", "function", ref.String(), "error", err)
		}
	}()
	t := time.NewTimer(deployWait)
	defer t.Stop()
	select {
	case o := <-done:
		if o.err != nil {
			s.refuseDeploy(w, r, ref, o.err)
			return
		}
		for _, note := range o.said.notes {
			w.Header().Add("Warning", warning(note))
		}
		if o.said.choice != "" {
			w.Header().Set(schema.RuntimeHeader, strconv.Quote(o.said.choice))
		}
	case <-t.C:
		w.Header().Add("Warning", warning(fmt.Sprintf("function %s is not ready yet", d.Service)))
	case <-r.Context().Done():
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// warning makes a warning header (RFC 9111 5.5: code, agent and quoted text), as Kubernetes sends it too.
func warning(text string) string {
	return fmt.Sprintf("299 - %q", text)
}

// lastLines is how much of a function's output explains why it did not become ready.
const lastLines = 10

func (s *Server) refuseDeploy(w http.ResponseWriter, r *http.Request, ref runtime.Ref, err error) {
	var noRuntime *noRuntimeError
	switch {
	case errors.As(err, &noRuntime):
		refuse(w, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, errNoFunction):
		refuse(w, http.StatusNotFound, fmt.Sprintf("function: %s not found", ref))
	case errors.Is(err, errExists):
		refuse(w, http.StatusConflict, fmt.Sprintf("function %s already exists", ref))
	case errors.Is(err, errBadInput):
		refuse(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, errClosing):
		refuse(w, http.StatusServiceUnavailable, err.Error())
	default:
		var text strings.Builder
		fmt.Fprintf(&text, "function %s is not ready: %v", ref, err)
		var exit *runtime.ExitError
		if errors.As(err, &exit) {
			s.appendOutput(r.Context(), &text, ref, exit.Replica)
		}
		refuse(w, http.StatusInternalServerError, text.String())
	}
}

// appendOutput adds the last lines that a replica wrote, if it wrote any.
func (s *Server) appendOutput(ctx context.Context, text *strings.Builder, ref runtime.Ref, replica string) {
	f := s.fleet.lookup(ref)
	if f == nil {
		return
	}
	before := "; its last words:"
	for _, rt := range s.fleet.attachedRuntimes() { // a failed update may have been another runtime's
		for line, err := range rt.Logs(ctx, ref, runtime.LogQuery{Tail: lastLines, Instance: replica}) {
			if err != nil {
				break
			}
			text.WriteString(before + "\n" + line.Text)
			before = ""
		}
	}
}

func (s *Server) deleteFunction(w http.ResponseWriter, r *http.Request) {
	var req schema.DeleteFunctionRequest
	if !readBody(w, r, &req) {
		return
	}
	ref := runtime.Ref{Name: req.FunctionName, Namespace: cmp.Or(req.Namespace, DefaultNamespace)}
	f := s.fleet.lookup(ref)
	err := errNoFunction
	if f != nil {
		err = f.delete(context.WithoutCancel(r.Context())) // a removal that began ends, whoever waits for it
	}
	switch {
	case errors.Is(err, errNoFunction):
		refuse(w, http.StatusNotFound, fmt.Sprintf("function %s not found", ref))
	case err != nil:
		s.fail(w, err)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// delete takes the turn and removes the function.
func (f *function) delete(ctx context.Context) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	return f.remove(ctx)
}

func (s *Server) scaleFunction(w http.ResponseWriter, r *http.Request) {
	var req schema.ScaleServiceRequest
	if !readBody(w, r, &req) {
		return
	}
	namespace := cmp.Or(req.Namespace, r.URL.Query().Get("namespace"), DefaultNamespace)
	ref := runtime.Ref{Name: r.PathValue("name"), Namespace: namespace}
	if req.Replicas > maxReplicas {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("replicas: at most %d on one machine", maxReplicas))
		return
	}
	f := s.fleet.lookup(ref)
	err := errNoFunction
	if f != nil {
		err = f.scale(r.Context(), int(req.Replicas))
	}
	switch {
	case errors.Is(err, errNoFunction):
		refuse(w, http.StatusNotFound, fmt.Sprintf("function %s not found", ref))
	case err != nil:
		s.fail(w, err)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	var kinds []string
	for _, state := range s.fleet.states(r.Context()) {
		if state.Away == "" {
			kinds = append(kinds, string(state.Kind))
		}
	}
	version := schema.VersionInfo{Release: s.cfg.Version, SHA: s.cfg.Commit}
	writeBody(w, schema.GatewayInfo{
		Provider: &schema.ProviderInfo{Name: "faas-cli-local", Orchestration: strings.Join(kinds, ","), Version: &version},
		Version:  &version,
		Arch:     machine(goruntime.GOARCH),
	})
}

// thisPlatform is what images for processes are built for.
func thisPlatform() v1.Platform {
	return v1.Platform{OS: goruntime.GOOS, Architecture: goruntime.GOARCH}
}

// machine is the name that uname has for an architecture, which gateways report.
func machine(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return goarch
}

// fail answers with an error that is not the caller's fault.
func (s *Server) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, errBadInput):
		status = http.StatusBadRequest
	case errors.Is(err, errClosing):
		status = http.StatusServiceUnavailable
	}
	refuse(w, status, err.Error())
}

// readBody decodes the body of a request; when it cannot, it answers and returns false.
func readBody(w http.ResponseWriter, r *http.Request, v any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", maxBody))
	case err != nil:
		refuse(w, http.StatusBadRequest, "the body is not the JSON that is wanted") // the decoder's text may quote a secret
	}
	return err == nil
}

func writeBody(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only of types that cannot be encoded, and ours can
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}
