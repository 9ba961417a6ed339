//go:build unix

package runtime

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/faas-cli/faas-cli/internal/filelock"
)

// SecretsDirVariable names the folder of the secrets, in the environment of a process. It is [SecretsPath] where the
// system lets a process have its own view of that path.
const SecretsDirVariable = "secret_mount_path"

// processes runs images as supervised processes.
type processes struct {
	c       ProcessConfig
	unpacks sync.Mutex // one image is unpacked at a time

	// What the system allows, found out once.
	view      func() mountMode // how secrets get to their path
	limitsCPU func() bool
}

// NewProcess returns the process runtime. It is no sandbox: a function can do what the user can.
func NewProcess(c ProcessConfig) Runtime {
	p := &processes{c: c}
	p.view = sync.OnceValue(func() mountMode { return probeMounts(c.Supervisor) })
	p.limitsCPU = sync.OnceValue(canLimitCPU)
	return p
}

func (p *processes) Kind() Kind { return Process }

func (p *processes) Close() error { return nil }

func (p *processes) Check(_ context.Context, s Spec) error {
	switch {
	case s.Digest == "":
		return fmt.Errorf("%w: image %q is not in the image store", ErrNoImage, s.Image)
	case !p.c.Images.Native(s.Digest):
		return fmt.Errorf("%w: image %q was not built here by the native builder", ErrUnsupported, s.Image)
	}
	return nil
}

func (p *processes) Notes(s Spec) []string {
	var notes []string
	if len(s.Secrets) > 0 && p.view() == noMounts {
		notes = append(notes, fmt.Sprintf("secrets of %s are not at %s: this system allows no private mounts; the variable %s names their folder", s.Name, SecretsPath, SecretsDirVariable))
	}
	if s.MilliCPU > 0 && !p.limitsCPU() {
		notes = append(notes, fmt.Sprintf("the CPU limit of %s is not enforced: this system lets us make no control group with a CPU limit", s.Name))
	}
	if s.Memory > 0 && !limitsMemory {
		notes = append(notes, fmt.Sprintf("the memory limit of %s is not enforced on this system", s.Name))
	}
	if s.ReadOnlyRoot {
		notes = append(notes, fmt.Sprintf("the file system of %s is read-only for the function's own files alone: it runs as a process", s.Name))
	}
	return notes
}

func (p *processes) path(elem ...string) string {
	return filepath.Join(append([]string{p.c.Dir}, elem...)...)
}

func (p *processes) logDir(f Ref) string { return p.path("logs", f.String()) }

func (p *processes) Start(ctx context.Context, s Spec) (_ Replica, err error) {
	if err := p.Check(ctx, s); err != nil {
		return nil, err
	}
	root, config, err := p.unpacked(ctx, s.Digest)
	if err != nil {
		return nil, fmt.Errorf("unpack image %q: %w", s.Image, err)
	}
	id := replicaID(s.Name)
	run := p.path("run", id)
	defer func() {
		if err != nil {
			_ = os.RemoveAll(run)
		}
	}()
	for _, dir := range []string{"home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(run, dir), 0o700); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", s.Name, err)
		}
	}
	secrets := filepath.Join(run, "secrets")
	if err := writeSecretFiles(secrets, s.Secrets); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", s.Name, err)
	}
	address, err := freeAddress(ctx, s.Port)
	if err != nil {
		return nil, fmt.Errorf("find a port for %s: %w", s.Name, err)
	}
	l := launch{
		ID: id, Dir: root.dir(config.WorkingDir, filepath.Join(run, "home")), Memory: s.Memory, CPU: s.MilliCPU,
		LogDir: p.logDir(s.Ref), Lock: p.path("run", lockName),
	}
	if err := os.MkdirAll(l.LogDir, 0o700); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", s.Name, err)
	}
	if err := p.pruneLogs(l.LogDir, keptReplicas); err != nil {
		p.c.Log.Warn("remove old logs", "function", s.Ref.String(), "error", err)
	}
	mounted := secrets
	if mode := p.view(); len(s.Secrets) > 0 && mode != noMounts {
		l.Secrets, l.Staging, l.Mode, mounted = secrets, filepath.Join(run, "mounts"), mode, SecretsPath
	}
	env := p.environment(s, root, config, run, address, mounted)
	if l.Args = command(s, config); len(l.Args) == 0 {
		return nil, fmt.Errorf("image %q names no command", s.Image)
	}
	for i, arg := range l.Args {
		l.Args[i] = root.mapped(arg)
	}
	l.Args[0] = p.interpreter(s, config, l.Args[0])
	if l.Path, err = lookPath(l.Args[0], l.Dir, env["PATH"]); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		l.Env = append(l.Env, key+"="+env[key])
	}
	r := &process{
		info: Info{Ref: s.Ref, ID: id, Revision: s.Revision, Address: address},
		run:  run, secrets: secrets, done: make(chan struct{}), log: p.c.Log,
	}
	if err := r.start(ctx, p.c.Supervisor, l); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return r, nil
}

// environment is all that a replica sees of variables: the image's, the deployment's over them, and what makes a process
// at home on this machine. Nothing else of the user's environment gets there.
func (p *processes) environment(s Spec, root rootFS, config v1.Config, run, address, secrets string) map[string]string {
	env := map[string]string{}
	for _, kv := range config.Env {
		key, value, _ := strings.Cut(kv, "=")
		env[key] = root.mappedList(value)
	}
	env["PATH"] = p.c.Path // the image's leads nowhere here
	env["gateway_url"] = p.c.GatewayURL
	maps.Copy(env, s.Env)
	host, port, _ := net.SplitHostPort(address)
	env["port"], env["PORT"] = port, port
	env["bind_address"] = host
	env["HOME"], env["TMPDIR"] = filepath.Join(run, "home"), filepath.Join(run, "tmp")
	env[SecretsDirVariable] = secrets
	return env
}

// command is what the replica runs, by the rules of images.
func command(s Spec, config v1.Config) []string {
	if len(s.Command) > 0 {
		return slices.Clone(s.Command)
	}
	return slices.Concat(config.Entrypoint, config.Cmd)
}

// interpreter is what program is run as: where it is the image's own, that of the build, whose packages fit it, and not a
// version manager's script that finds it, which takes longer than the function needs to start.
func (p *processes) interpreter(s Spec, config v1.Config, program string) string {
	own := p.c.Images.Interpreter(s.Digest)
	if own == "" || len(config.Entrypoint) == 0 || config.Entrypoint[0] != program || executable(own) != nil {
		return program
	}
	return own
}

// lookPath finds an executable as a shell would, in the replica's own PATH.
func lookPath(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	for _, d := range filepath.SplitList(path) {
		if file := filepath.Join(d, name); filepath.IsAbs(file) && executable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("%q: executable not found in PATH", name)
}

func executable(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() || fi.Mode()&0o111 == 0 {
		return &fs.PathError{Op: "execute", Path: path, Err: fs.ErrPermission}
	}
	return nil
}

// freeAddress picks a loopback port. Nothing keeps it until the replica listens: if another program takes it in between,
// the replica ends, and whoever started it may try again with another.
func freeAddress(ctx context.Context, port int) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// replicaID is unique and tells whose replica it is.
func replicaID(name string) string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails: package documentation
	return name + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

const (
	// lockName is the file in run/ that every supervisor holds a shared lock of as long as it lives.
	lockName = "lock"
	// adoptWait is how long supervisors of a gateway that was killed may take to end.
	adoptWait = 20 * time.Second
	adoptPoll = 20 * time.Millisecond
	// unusedFor is how long an unpacked image is kept without being run; it can be unpacked again.
	unusedFor = 7 * 24 * time.Hour
)

// Adopt waits until nothing of an earlier gateway is left. Supervisors end with the gateway that started them, so there
// is nothing to take over.
func (p *processes) Adopt(ctx context.Context, deployed func(Ref) bool) ([]Replica, error) {
	run := p.path("run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, adoptWait, errors.New("functions of the platform that ran before do not end"))
	defer cancel()
	held, err := filelock.Exclusive(ctx, filepath.Join(run, lockName))
	if err != nil {
		return nil, err
	}
	defer held.Release()
	entries, err := os.ReadDir(run)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() != lockName {
			if err := os.RemoveAll(filepath.Join(run, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	return nil, errors.Join(p.forgetAll(deployed), p.removeUnused(unusedFor))
}

// forgetAll forgets the functions that are not deployed.
func (p *processes) forgetAll(deployed func(Ref) bool) error {
	entries, err := os.ReadDir(p.path("logs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		name, namespace, _ := strings.Cut(e.Name(), ".")
		if f := (Ref{Name: name, Namespace: namespace}); !deployed(f) {
			errs = append(errs, os.RemoveAll(p.logDir(f)))
		}
	}
	return errors.Join(errs...)
}

// removeUnused removes unpacked images that no replica was started from for so long, and unfinished ones.
func (p *processes) removeUnused(d time.Duration) error {
	entries, err := os.ReadDir(p.path("rootfs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			continue // somebody else was faster
		}
		if strings.HasPrefix(e.Name(), unpackPrefix) || time.Since(fi.ModTime()) > d {
			if err := removeReadOnly(p.path("rootfs", e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *processes) Forget(_ context.Context, f Ref) error { return os.RemoveAll(p.logDir(f)) }

func (p *processes) Purge(context.Context) error { return removeReadOnly(p.c.Dir) }

// keptReplicas is how many replicas' logs a function keeps, unless more are running.
const keptReplicas = 10

// pruneLogs removes the logs of all but the newest replicas. Those that run have a folder.
func (p *processes) pruneLogs(dir string, keep int) error {
	files, err := logFiles(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b logFile) int { return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(a.id, b.id)) })
	for _, f := range files[min(keep, len(files)):] {
		if _, err := os.Stat(p.path("run", f.id)); err == nil {
			continue
		}
		for _, path := range []string{f.path, f.path + rotatedSuffix} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
