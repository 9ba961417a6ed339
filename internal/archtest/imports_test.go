package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/faas-cli/faas-cli"

// ours says which packages of this module a package may import. "*" is all
// but cmd.
func ours() map[string][]string {
	return map[string][]string{
		"cmd/faas-cli":          {"commands", "internal/term"},
		"commands":              {"*"},
		"stack":                 {"schema", "schema/value", "internal/atomicfile", "internal/spelling"},
		"templates":             {"schema", "internal/atomicfile", "internal/filelock", "internal/git", "internal/spelling"},
		"builder":               {"schema", "stack", "templates", "internal/engine", "internal/atomicfile", "internal/filelock", "internal/registry"},
		"gateway":               {"schema"},
		"schema":                {},
		"schema/value":          {},
		"internal/term":         {},
		"internal/output":       {},
		"internal/progress":     {"builder", "internal/output", "internal/term"},
		"internal/credentials":  {"internal/atomicfile", "internal/filelock"},
		"internal/git":          {},
		"local":                 {"schema", "schema/value", "internal/runtime", "internal/registry", "internal/atomicfile", "internal/filelock", "internal/loopback"},
		"internal/runtime":      {"schema", "internal/engine", "internal/atomicfile", "internal/filelock"},
		"internal/registry":     {"internal/atomicfile", "internal/filelock"},
		"internal/engine":       {},
		"internal/enginetest":   {"internal/engine"},
		"internal/processtest":  {"internal/runtime"},
		"internal/atomicfile":   {},
		"internal/filelock":     {},
		"internal/loopback":     {},
		"internal/spelling":     {},
		"internal/gatewaytest":  {"schema"},
		"internal/gatewaysuite": {"gateway", "schema"},
		"internal/plugin":       {"internal/atomicfile"},
		"internal/watch":        {},
		"internal/archtest":     {},

		"internal/functionstore": {"schema"},
		"internal/chart":         {},
	}
}

// homes says which packages of this module may import a third party, named by
// a prefix of its import path; the longest prefix counts.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/spf13/cobra":                               {"commands"},
		"github.com/spf13/pflag":                               {"commands"},
		"github.com/drone/envsubst":                            {"stack"},
		"github.com/joho/godotenv":                             {"stack"},
		"github.com/invopop/jsonschema":                        {"stack"},
		"gopkg.in/yaml.v3":                                     {"stack", "templates", "builder", "internal/output", "internal/credentials", "internal/chart"},
		"github.com/docker":                                    {"internal/engine"},
		"github.com/moby/buildkit":                             {"internal/engine"},
		"github.com/moby/buildkit/frontend/dockerfile":         {"templates", "internal/engine"},
		"github.com/tonistiigi":                                {"internal/engine"},
		"github.com/containerd/errdefs":                        {"internal/engine"},
		"github.com/distribution/reference":                    {"internal/engine"},
		"google.golang.org/grpc":                               {"internal/engine"},
		"google.golang.org/protobuf/encoding/protowire":        {"internal/engine"},
		"github.com/google/go-containerregistry":               {"builder", "internal/registry", "internal/runtime", "internal/plugin"},
		"github.com/google/go-containerregistry/pkg/name":      {"builder", "internal/registry", "internal/runtime", "internal/plugin", "schema/value"},
		"github.com/google/go-containerregistry/pkg/v1":        {"builder", "internal/registry", "internal/runtime", "internal/plugin", "internal/processtest", "local", "commands"},
		"github.com/google/go-containerregistry/pkg/v1/daemon": {}, // brings a second docker client and holds images in memory
		"cuelabs.dev/go/oci/ociregistry":                       {"internal/registry"},
		"github.com/morikuni/aec":                              {"internal/term"},
		"github.com/prometheus":                                {}, // its parser reads our metrics in a test
		"github.com/fsnotify/fsnotify":                         {"internal/watch"},
		"github.com/robfig/cron":                               {"schema/value"},
		"github.com/moby/patternmatcher":                       {"builder", "internal/watch"},
		"github.com/sabhiram/go-gitignore":                     {"internal/watch", "builder"},
		"github.com/opencontainers/go-digest":                  {"builder", "internal/engine", "internal/registry", "internal/runtime", "templates", "local", "commands"},
		"golang.org/x/crypto":                                  {"builder"},
		"golang.org/x/sync":                                    {"*"},
		"golang.org/x/sys":                                     {"*"},
		"golang.org/x/term":                                    {"internal/term"},
	}
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// packages lists the packages of the module with the imports of their code,
// not of their tests, on the system that runs the test.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsFollowTheTables(t *testing.T) {
	t.Parallel()
	tables, thirdParties := ours(), homes()
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, known := tables[name]
		if !known {
			t.Errorf("package %s is not in the table: enter it, and say in the commit what it is for", name)
			continue
		}
		for _, imp := range p.Imports {
			if own, is := strings.CutPrefix(imp, module+"/"); is {
				if !slices.Contains(allowed, own) && (!slices.Contains(allowed, "*") || strings.HasPrefix(own, "cmd/")) {
					t.Errorf("%s imports %s, which the table does not allow", name, own)
				}
				continue
			}
			if !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
				continue // the standard library
			}
			home, prefix := longest(thirdParties, imp)
			if prefix == "" {
				t.Errorf("%s imports %s, which has no home in the table", name, imp)
			} else if !slices.Contains(home, name) && !slices.Contains(home, "*") {
				t.Errorf("%s imports %s, whose home is %v", name, imp, home)
			}
		}
	}
}

// longest returns the entry whose key is the longest path prefix of imp.
func longest(table map[string][]string, imp string) (value []string, prefix string) {
	for key, v := range table {
		if (imp == key || strings.HasPrefix(imp, key+"/")) && len(key) > len(prefix) {
			value, prefix = v, key
		}
	}
	return value, prefix
}
