package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

// Images finds images by name. internal/registry's store is one, through [StoreImages].
type Images interface {
	// Resolve returns the digest that name stands for here, "sha256:…"; ok is false when no image has the name.
	Resolve(name string) (digest string, ok bool, err error)
}

// fleet is all functions of a platform.
type fleet struct {
	state      state
	runtimes   []*attachment                                // in the order in which they are tried
	prepare    func(context.Context, runtime.Runtime) error // see Config
	images     Images
	metrics    *metrics
	probes     *http.Client  // asks replicas for their health
	startLimit time.Duration // from a replica's start to healthy
	log        *slog.Logger
	now        func() time.Time

	secretsMu      sync.RWMutex  // held while secrets are read or written, so that a set is of one time
	secretsVersion atomic.Uint64 // counts changes

	mu        sync.RWMutex
	functions map[runtime.Ref]*function
	closing   bool

	life  context.Context // of the tasks
	end   context.CancelFunc
	tasks sync.WaitGroup // see task
	slots sync.WaitGroup // those of every function, and those that were retired and have not ended yet
}

var (
	errClosing  = errors.New("the platform is stopping")
	errBadInput = errors.New("bad request")
)

// inputError is a refusal that the caller can do something about; its text is the answer.
type inputError struct{ text string }

func (e *inputError) Error() string        { return e.text }
func (e *inputError) Is(target error) bool { return target == errBadInput }

func badInput(format string, args ...any) error {
	return &inputError{text: fmt.Sprintf(format, args...)}
}

// lookup returns the function, or nil.
func (fl *fleet) lookup(ref runtime.Ref) *function {
	fl.mu.RLock()
	defer fl.mu.RUnlock()
	return fl.functions[ref]
}

// list returns the functions of a namespace, or all for "", by namespace and name.
func (fl *fleet) list(namespace string) []*function {
	fl.mu.RLock()
	all := slices.Collect(maps.Values(fl.functions))
	fl.mu.RUnlock()
	all = slices.DeleteFunc(all, func(f *function) bool { return namespace != "" && f.ref.Namespace != namespace })
	slices.SortFunc(all, func(a, b *function) int {
		return cmp.Or(cmp.Compare(a.ref.Namespace, b.ref.Namespace), cmp.Compare(a.ref.Name, b.ref.Name))
	})
	return all
}

// forget takes a removed function out of the list.
func (fl *fleet) forget(f *function) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.functions[f.ref] == f {
		delete(fl.functions, f.ref)
	}
	fl.metrics.forget(f.ref)
}

// create deploys a new function. It fails with errExists if there is one. The function stays, and is tried again, when
// its replicas do not become healthy; the error says so.
func (fl *fleet) create(ctx context.Context, d schema.FunctionDeployment) (said remarks, err error) {
	rec, said, err := fl.plan(ctx, d)
	if err != nil {
		return remarks{}, err
	}
	rec.Created = fl.now().UTC()
	f := newFunction(fl, rec.ref())
	f.turn <- struct{}{}
	defer f.unlock()
	fl.mu.Lock()
	if fl.closing {
		fl.mu.Unlock()
		return remarks{}, errClosing
	}
	if fl.functions[f.ref] != nil {
		fl.mu.Unlock()
		return remarks{}, errExists
	}
	fl.functions[f.ref] = f
	fl.mu.Unlock()
	err = f.rollOut(ctx, rec)
	if f.current().Version == 0 && f.current().Revision == "" { // not even recorded
		f.mu.Lock()
		f.gone = true
		f.mu.Unlock()
		fl.forget(f)
	}
	return said, err
}

// update deploys a function that exists; otherwise it fails with errNoFunction. A failed update changes nothing.
func (fl *fleet) update(ctx context.Context, d schema.FunctionDeployment) (remarks, error) {
	f := fl.lookup(runtime.Ref{Name: d.Service, Namespace: cmp.Or(d.Namespace, DefaultNamespace)})
	if f == nil {
		return remarks{}, errNoFunction
	}
	if err := f.lock(ctx); err != nil {
		return remarks{}, err
	}
	defer f.unlock()
	rec, said, err := fl.plan(ctx, d)
	if err != nil {
		return remarks{}, err
	}
	if fl.isClosing() {
		return remarks{}, errClosing
	}
	f.resume(ctx) // where the runtime has only just come back
	old := f.current()
	rec.Created = old.Created
	rec.Replicas = max(rec.Replicas, old.Replicas)
	return said, f.rollOut(ctx, rec)
}

func (fl *fleet) isClosing() bool {
	fl.mu.RLock()
	defer fl.mu.RUnlock()
	return fl.closing
}

// maxReplicas bounds a function on one machine.
const maxReplicas = 100

// remarks are what whoever deploys is to know.
type remarks struct {
	notes  []string // what cannot be honoured
	choice string   // the runtime, and why it is this one; empty where there is only one
}

// plan checks a deployment and turns it into what is recorded.
func (fl *fleet) plan(ctx context.Context, d schema.FunctionDeployment) (record, remarks, error) {
	d.Namespace = cmp.Or(d.Namespace, DefaultNamespace)
	if !validName(d.Service) {
		return record{}, remarks{}, badInput("function name %q is not valid: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit", d.Service)
	}
	if err := fl.checkNamespace(d.Namespace); err != nil {
		return record{}, remarks{}, err
	}
	if d.Image == "" {
		return record{}, remarks{}, badInput("function %s: no image given", d.Service)
	}
	if err := fl.checkSecrets(d); err != nil {
		return record{}, remarks{}, err
	}
	rec := record{Version: stateVersion, Deployment: d, Replicas: minReplicas(d.Labels)}
	digest, found, err := fl.images.Resolve(d.Image)
	if err != nil {
		return record{}, remarks{}, badInput("image %q: %v", d.Image, err)
	}
	if found {
		rec.Digest = digest
	}
	spec, err := fl.spec(rec)
	if err != nil {
		return record{}, remarks{}, err
	}
	rt, digest, choice, err := fl.choose(ctx, spec)
	if err != nil {
		return record{}, remarks{}, err
	}
	rec.Runtime, rec.Digest = rt.Kind(), digest
	rec.Revision, err = revision(rec)
	return rec, remarks{rt.Notes(spec), choice}, err
}

// checkSecrets refuses secrets that do not exist. Only deployments are refused for them: a function goes on, and comes
// back, without a secret that was removed since.
func (fl *fleet) checkSecrets(d schema.FunctionDeployment) error {
	have, err := fl.state.secrets(d.Namespace)
	if err != nil {
		return fmt.Errorf("list secrets: %w", err)
	}
	for _, name := range d.Secrets {
		if !slices.Contains(have, name) {
			return badInput("unable to find secret: %s", name)
		}
	}
	return nil
}

// choose returns the first runtime that can run spec, and what the image's name means to it. Where there was a choice,
// it says what was chosen, and why, to the log too.
func (fl *fleet) choose(ctx context.Context, spec runtime.Spec) (rt runtime.Runtime, digest, choice string, err error) {
	var reasons []string
	var away error
	for _, a := range fl.runtimes {
		if rt, err = fl.attach(ctx, a); err == nil {
			digest, err = usable(ctx, rt, spec)
		}
		if err == nil {
			if len(fl.runtimes) > 1 {
				why := cmp.Or(strings.Join(reasons, "; "), "the image is made for it")
				choice = fmt.Sprintf("%s (%s)", rt.Kind(), why)
				fl.log.Info("runtime chosen", "function", spec.Ref.String(), "runtime", rt.Kind(), "reason", why)
			}
			return rt, digest, choice, nil
		}
		switch {
		case runtime.IsAway(err):
			away = err
		case !errors.Is(err, runtime.ErrUnsupported) && !errors.Is(err, runtime.ErrNoImage):
			return nil, "", "", fmt.Errorf("%s: %w", a.Kind, err)
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", a.Kind, err))
	}
	if len(reasons) == 0 {
		reasons = []string{"this platform has no runtime"}
	}
	text := fmt.Sprintf("image %q cannot be run: %s", spec.Image, strings.Join(reasons, "; "))
	if fl.attachment(runtime.Docker) == nil {
		text += "; this platform runs what the native builder made and no containers: build with --builder native, or start the platform with --runtime auto or docker"
	}
	if away != nil {
		return nil, "", "", &noRuntimeError{text, away}
	}
	return nil, "", "", badInput("%s", text)
}

// usable says whether rt can run spec, and what the image's name means to it.
func usable(ctx context.Context, rt runtime.Runtime, spec runtime.Spec) (digest string, err error) {
	if pinner, ok := rt.(runtime.Pinner); ok && spec.Digest == "" {
		if spec.Digest, err = pinner.Pin(ctx, spec.Image); err != nil {
			return "", err
		}
	}
	return spec.Digest, rt.Check(ctx, spec)
}

// minReplicas is what a function starts with.
func minReplicas(labels map[string]string) int {
	n, err := strconv.Atoi(labels["com.openfaas.scale.min"])
	if err != nil || n < 1 {
		return 1
	}
	return min(n, maxReplicas)
}

// specOf returns what the replicas of a recorded function are started from. It fails with an error for which
// [runtime.IsAway] while the function waits for its runtime.
func (fl *fleet) specOf(rec record) (runtime.Runtime, runtime.Spec, error) {
	a := fl.attachment(rec.Runtime)
	if a == nil {
		return nil, runtime.Spec{}, badInput("function %s needs the %s runtime, which this platform was started without", rec.Deployment.Service, rec.Runtime)
	}
	rt, err := a.attached()
	if err != nil {
		return nil, runtime.Spec{}, err
	}
	spec, err := fl.spec(rec)
	return rt, spec, err
}

// spec translates a deployment. The values of secrets are read when a replica starts; here only their names count.
func (fl *fleet) spec(rec record) (runtime.Spec, error) {
	d := rec.Deployment
	spec := runtime.Spec{
		Ref: rec.ref(), Revision: rec.Revision, Image: d.Image, Digest: rec.Digest,
		Env: map[string]string{}, Labels: d.Labels, Annotations: d.Annotations,
		ReadOnlyRoot: d.ReadOnlyRootFilesystem, Secrets: map[string][]byte{},
	}
	maps.Copy(spec.Env, d.EnvVars)
	if d.EnvProcess != "" && spec.Env["fprocess"] == "" {
		spec.Env["fprocess"] = d.EnvProcess
	}
	spec.Env["OPENFAAS_NAME"], spec.Env["OPENFAAS_NAMESPACE"] = d.Service, d.Namespace
	if path := d.Annotations[runtime.HealthPathAnnotation]; path != "" && !strings.HasPrefix(path, "/") {
		return spec, badInput("annotation %s: %q does not begin with /", runtime.HealthPathAnnotation, path)
	}
	if d.Limits != nil {
		var err error
		if spec.Memory, err = bytesOf(d.Limits.Memory); err != nil {
			return spec, badInput("limits: %v", err)
		}
		if spec.MilliCPU, err = milliOf(d.Limits.CPU); err != nil {
			return spec, badInput("limits: %v", err)
		}
	}
	for _, name := range d.Secrets {
		spec.Secrets[name] = nil
	}
	return spec, nil
}

// revision identifies what a replica is started from: the same deployment of the same image has the same.
func revision(rec record) (string, error) {
	b, err := json.Marshal(struct {
		D schema.FunctionDeployment
		I string
		R runtime.Kind
	}{rec.Deployment, rec.Digest, rec.Runtime})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:10]), nil
}

// secretsOf reads secrets, and the number of changes until then.
func (fl *fleet) secretsOf(namespace string, names []string) (map[string][]byte, uint64, error) {
	fl.secretsMu.RLock()
	defer fl.secretsMu.RUnlock()
	values := make(map[string][]byte, len(names))
	for _, name := range names {
		v, err := fl.state.secret(namespace, name)
		if errors.Is(err, fs.ErrNotExist) { // removed since it was deployed, as a function may see on any platform
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read secret %q: %w", name, err)
		}
		values[name] = v
	}
	return values, fl.secretsVersion.Load(), nil
}

// changeSecret runs change and hands the replicas that use the secret its new value.
func (fl *fleet) changeSecret(ctx context.Context, namespace, name string, change func() error) error {
	fl.secretsMu.Lock()
	err := change()
	fl.secretsVersion.Add(1)
	fl.secretsMu.Unlock()
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range fl.list(namespace) {
		if slices.Contains(f.current().Deployment.Secrets, name) {
			errs = append(errs, f.pushSecrets(ctx))
		}
	}
	return errors.Join(errs...)
}

// pushSecrets hands every replica what its secrets are now.
func (f *function) pushSecrets(ctx context.Context) error {
	type held struct {
		s *slot
		r runtime.Replica
	}
	var replicas []held
	f.mu.Lock()
	for _, s := range f.slots {
		if s.replica != nil {
			replicas = append(replicas, held{s, s.replica})
		}
	}
	f.mu.Unlock()
	var errs []error
	for _, h := range replicas {
		if err := f.refreshSecrets(ctx, h.s, h.r); err != nil {
			errs = append(errs, fmt.Errorf("update the secrets of %s: %w", f.ref, err))
		}
	}
	return errors.Join(errs...)
}

// checkNamespace refuses namespaces that do not exist.
func (fl *fleet) checkNamespace(name string) error {
	all, err := fl.state.namespaces()
	if err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	if !slices.ContainsFunc(all, func(n schema.FunctionNamespace) bool { return n.Name == name }) {
		return badInput("namespace not valid: %q does not exist", name)
	}
	return nil
}

// restore brings back what the state folder records: replicas that still run are taken over, the others started.
// A function whose runtime is away waits for it. One that cannot be restored is logged and stays, so that it can be seen
// and replaced.
func (fl *fleet) restore(ctx context.Context) error {
	records, err := fl.state.functions()
	if err != nil {
		return fmt.Errorf("read functions: %w", err)
	}
	for _, rec := range records {
		f := newFunction(fl, rec.ref())
		f.rec = rec
		fl.mu.Lock()
		fl.functions[f.ref] = f
		fl.mu.Unlock()
		fl.metrics.scaled(f.ref, rec.Replicas)
		if fl.attachment(rec.Runtime) == nil {
			_, _, f.failure = fl.specOf(rec)
			fl.log.Warn("function not restored", "function", f.ref.String(), "error", f.failure)
		}
	}
	for _, a := range fl.runtimes {
		_, err := fl.attach(ctx, a)
		switch {
		case err == nil:
		case a.Required || !runtime.IsAway(err) && !errors.Is(err, runtime.ErrUnsupported):
			return fmt.Errorf("%s runtime: %w", a.Kind, err)
		default:
			fl.log.Info("runtime is away", "runtime", a.Kind, "error", err)
			if fl.used(a) { // else a deployment that needs it will ask again
				fl.task(func(ctx context.Context) { fl.await(ctx, a) })
			}
		}
	}
	return nil
}

// close ends all replicas; the records stay for the next start.
func (fl *fleet) close() {
	fl.mu.Lock()
	fl.closing = true
	fl.mu.Unlock()
	fl.end()
	fl.tasks.Wait()
	var g sync.WaitGroup
	for _, f := range fl.list("") {
		g.Go(func() {
			f.turn <- struct{}{} // a change that is under way ends first
			f.stopAll()
		})
	}
	g.Wait()
	fl.slots.Wait()
}
