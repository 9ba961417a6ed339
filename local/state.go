package local

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/schema"
)

// stateVersion is the version of the files below functions and namespaces. A platform refuses newer ones, so that an
// older binary never loses what it does not know.
const stateVersion = 1

// DefaultNamespace is where functions and secrets are that name no namespace. It always exists.
const DefaultNamespace = "openfaas-fn"

// errExists is returned by creations of what is there already.
var errExists = errors.New("already exists")

// record is a deployed function as it is kept on disk.
type record struct {
	Version    int                       `json:"version"`
	Deployment schema.FunctionDeployment `json:"deployment"`
	Digest     string                    `json:"digest,omitempty"` // what the image's name meant when it was deployed
	Runtime    runtime.Kind              `json:"runtime"`
	Revision   string                    `json:"revision"`
	Replicas   int                       `json:"replicas"`
	Created    time.Time                 `json:"created"`
}

func (r record) ref() runtime.Ref {
	return runtime.Ref{Name: r.Deployment.Service, Namespace: r.Deployment.Namespace}
}

// state is the folder of a platform:
//
//	functions/NAMESPACE/NAME.json  deployed functions
//	secrets/NAMESPACE/NAME         secrets, as they are
//	namespaces/NAME.json           namespaces but for the default one
//
// Every file appears whole or not at all. Names are checked before they come here, so none leaves the folder.
type state struct{ dir string }

func (s state) functionPath(f runtime.Ref) string {
	return filepath.Join(s.dir, "functions", f.Namespace, f.Name+".json")
}

func (s state) secretPath(namespace, name string) string {
	return filepath.Join(s.dir, "secrets", namespace, name)
}

func (s state) namespacePath(name string) string {
	return filepath.Join(s.dir, "namespaces", name+".json")
}

// functions reads all records, by namespace and name.
func (s state) functions() ([]record, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(s.dir), "functions", "*", "*.json"))
	if err != nil {
		return nil, err
	}
	var all []record
	for _, path := range paths {
		var r record
		if err := readVersioned(path, &r, func() int { return r.Version }); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.Deployment.Namespace, b.Deployment.Namespace), cmp.Compare(a.Deployment.Service, b.Deployment.Service))
	})
	return all, nil
}

func (s state) writeFunction(r record) error {
	r.Version = stateVersion
	return writeJSON(s.functionPath(r.ref()), r)
}

func (s state) removeFunction(f runtime.Ref) error {
	return removeFile(s.functionPath(f))
}

// namespaceRecord is a namespace as it is kept on disk.
type namespaceRecord struct {
	Version int `json:"version"`
	schema.FunctionNamespace
}

// namespaces lists the default namespace first, then the others by name.
func (s state) namespaces() ([]schema.FunctionNamespace, error) {
	all := []schema.FunctionNamespace{{Name: DefaultNamespace, Labels: map[string]string{"openfaas": "1"}, Annotations: map[string]string{"openfaas": "1"}}}
	paths, err := filepath.Glob(filepath.Join(escapeGlob(s.dir), "namespaces", "*.json")) // sorted
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		var r namespaceRecord
		if err := readVersioned(path, &r, func() int { return r.Version }); err != nil {
			return nil, err
		}
		if r.Name == DefaultNamespace {
			all[0] = r.FunctionNamespace
			continue
		}
		all = append(all, r.FunctionNamespace)
	}
	return all, nil
}

func (s state) writeNamespace(n schema.FunctionNamespace) error {
	return writeJSON(s.namespacePath(n.Name), namespaceRecord{Version: stateVersion, FunctionNamespace: n})
}

// removeNamespace removes the namespace and its secrets; the functions are gone before.
func (s state) removeNamespace(name string) error {
	if err := os.RemoveAll(filepath.Join(s.dir, "secrets", name)); err != nil {
		return err
	}
	return removeFile(s.namespacePath(name))
}

// secrets lists the names of a namespace's secrets, sorted.
func (s state) secrets(namespace string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "secrets", namespace)) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if validSecretName(e.Name()) { // not a temporary file of a write that never ended
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// secret returns the value of a secret, or an error that wraps fs.ErrNotExist.
func (s state) secret(namespace, name string) ([]byte, error) {
	return os.ReadFile(s.secretPath(namespace, name))
}

func (s state) writeSecret(namespace, name string, value []byte) error {
	path := s.secretPath(namespace, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o600, value)
}

func (s state) removeSecret(namespace, name string) error {
	return os.Remove(s.secretPath(namespace, name))
}

// writeJSON writes v, readable by its owner alone: deployments carry environment variables.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o600, append(b, '\n'))
}

// readVersioned reads a file that writeJSON wrote.
func readVersioned(path string, v any, version func() int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	if got := version(); got != stateVersion {
		return fmt.Errorf("read %q: it has version %d, this program knows %d", path, got, stateVersion)
	}
	return nil
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// escapeGlob makes a folder's name stand for itself in a pattern.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// Limits of names, from the DNS as Kubernetes applies it.
const (
	maxLabel     = 63
	maxSubdomain = 253
)

// validName says whether s is a DNS label, as names of functions and namespaces are.
func validName(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// validSecretName says whether s is a DNS subdomain. None of these is a path that leads elsewhere.
func validSecretName(s string) bool {
	if len(s) > maxSubdomain {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || part[0] == '-' || part[len(part)-1] == '-' ||
			strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
