package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema/value"
)

// secretsMount is where functions find them.
const secretsMount = runtime.SecretsPath

// localRunNamespace is the namespace that functions see when none is named.
const localRunNamespace = "openfaas-fn"

// leastMemory is what docker accepts as the smallest limit, in bytes.
const leastMemory = 6 << 20

// localSpec is what one function is started with.
type localSpec struct {
	job       *job
	env       map[string]string
	memory    int64 // bytes; 0: no limit
	milliCPU  int64 // thousandths; 0: no limit
	readOnly  bool
	secrets   []string  // names of files in dir
	dir       string    // of the secrets, absolute
	debugging debugging // with --debug-port
}

func (s localSpec) secretPath(name string) string { return filepath.Join(s.dir, name) }

// localSpec works out what the function of j is started with.
func (e *Env) localSpec(j *job, o localRunOptions, processes *templateProcesses) (localSpec, error) {
	s := localSpec{job: j, readOnly: j.fn.ReadOnlyRootFilesystem, secrets: j.fn.Secrets, dir: filepath.Join(e.Dir, secretsFolder)}
	process := j.fn.FProcess
	if process == "" {
		var err error
		if process, err = processes.of(&j.fn); err != nil && o.buildIt {
			return s, err // without a build the image is there, and needs no template (KB-93)
		}
	}
	own, err := j.fn.Environ(e.Dir)
	if err != nil {
		return s, err
	}
	s.env = map[string]string{}
	maps.Copy(s.env, own)
	namespace := j.fn.Namespace
	if namespace == "" {
		namespace = localRunNamespace
	}
	maps.Copy(s.env, map[string]string{
		"OPENFAAS_NAME": j.fn.Name, "OPENFAAS_NAMESPACE": namespace, "jwt_auth_local": "true",
	})
	if process != "" {
		s.env["fprocess"] = process
	}
	maps.Copy(s.env, o.env) // the flag wins over everything (KB-93)

	if o.debugPort != 0 {
		if s.debugging, err = processes.debugging(&j.fn, slices.Concat(o.build.extras, processes.file.CopyExtra)); err != nil {
			return s, err
		}
	}
	if err := s.limits(e); err != nil {
		return s, err
	}
	return s, e.checkSecrets(s, o.build.print)
}

// limits reads the limits of the stack file.
func (s *localSpec) limits(e *Env) (err error) {
	l := s.job.fn.Limits
	if l == nil {
		return nil
	}
	if l.Memory != "" {
		if s.memory, err = value.Memory(l.Memory); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
		if s.memory > 0 && s.memory < leastMemory {
			e.warnf("function %s: memory limit %s is raised to 6Mi, the least that containers get", s.job.fn.Name, l.Memory)
			s.memory = leastMemory
		}
	}
	if l.CPU != "" {
		if s.milliCPU, err = value.CPU(l.CPU); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
	}
	return nil
}

// checkSecrets makes the secrets' folder and, unless nothing will be run,
// wants a file in it for each secret.
func (e *Env) checkSecrets(s localSpec, printOnly bool) error {
	if len(s.secrets) == 0 {
		return nil
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var missing []string
	for _, name := range s.secrets {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return fmt.Errorf("secret %q: the name is not that of a file in %s", name, secretsFolder)
		}
		if fi, err := os.Stat(s.secretPath(name)); err != nil || !fi.Mode().IsRegular() {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 || printOnly {
		return nil
	}
	return withHint(fmt.Errorf("missing files: create the secrets %s in %q", strings.Join(missing, ", "), s.dir),
		"each secret is a file of its name, such as %s", s.secretPath(missing[0]))
}

// readSecrets reads the listed secrets, and no others.
func (s localSpec) readSecrets() (map[string][]byte, error) {
	secrets := make(map[string][]byte, len(s.secrets))
	for _, name := range s.secrets {
		content, err := os.ReadFile(s.secretPath(name))
		if err != nil {
			return nil, err
		}
		secrets[name] = content
	}
	return secrets, nil
}
