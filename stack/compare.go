package stack

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/schema/value"
)

// EnvMode says which environment variables count in a comparison. It is a
// pflag.Value. The zero value is EnvLocal.
type EnvMode string

// The ways to compare environment variables.
const (
	EnvLocal  EnvMode = "local"  // those that the stack has
	EnvRemote EnvMode = "remote" // those that the deployed function has
	EnvAll    EnvMode = "all"
)

// String is the mode's name.
func (m EnvMode) String() string { return string(m) }

// Set reads a mode.
func (m *EnvMode) Set(s string) error {
	if v := EnvMode(s); slices.Contains([]EnvMode{EnvLocal, EnvRemote, EnvAll}, v) {
		*m = v
		return nil
	}
	return &unknownMode{s}
}

// Type is what help shows.
func (*EnvMode) Type() string { return "string" }

type unknownMode struct{ mode string }

func (e *unknownMode) Error() string {
	return "unknown env diff mode " + strconv.Quote(e.mode) + ": want local, remote or all"
}

// CompareOptions says what counts as a difference.
type CompareOptions struct {
	Env EnvMode

	// ProviderLabels counts com.openfaas.uid, uid and faas_function, which
	// providers add to what is deployed.
	ProviderLabels bool
}

// Difference is an attribute that a stack file and a gateway do not agree on.
type Difference struct {
	Field    string  `json:"field"`    // "image", "env.NAME", "limits.memory", …
	Stack    *string `json:"stack"`    // nil: not in the stack file
	Deployed *string `json:"deployed"` // nil: not deployed
}

// Compare lists how a deployment that a stack file wants differs from what is
// deployed, by field. Amounts are compared as amounts. A process that is only
// deployed may come from the template and does not count.
func Compare(want schema.FunctionDeployment, got schema.FunctionStatus, o CompareOptions) []Difference {
	ours := attributes(want)
	theirs := attributes(schema.FunctionDeployment{
		Image: got.Image, EnvProcess: got.EnvProcess, EnvVars: got.EnvVars,
		Constraints: got.Constraints, Secrets: got.Secrets,
		Labels: orNone(got.Labels), Annotations: orNone(got.Annotations),
		Limits: got.Limits, Requests: got.Requests, ReadOnlyRootFilesystem: got.ReadOnlyRootFilesystem,
	})
	var out []Difference
	for field, a := range ours {
		b, there := theirs[field]
		switch {
		case there && equalAttribute(field, a, b):
		case there:
			out = append(out, Difference{field, &a, &b})
		case o.Env != EnvRemote || !strings.HasPrefix(field, "env."):
			out = append(out, Difference{field, &a, nil})
		}
	}
	for field, b := range theirs {
		if _, there := ours[field]; !there && !ignored(field, o) {
			out = append(out, Difference{field, nil, &b})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return cmp.Compare(a.Field, b.Field) })
	return out
}

// ignored tells whether a field that is only deployed does not count.
func ignored(field string, o CompareOptions) bool {
	if field == "fprocess" {
		return true
	}
	kind, key, _ := strings.Cut(field, ".")
	switch kind {
	case "env":
		return o.Env == EnvLocal || o.Env == ""
	case "label", "annotation":
		return !o.ProviderLabels && slices.Contains(providerKeys(), key)
	}
	return false
}

func equalAttribute(field, a, b string) bool {
	switch field {
	case "image": // written without a tag, both mean the same
		return withTag(a) == withTag(b)
	case "limits.memory", "requests.memory":
		return value.SameMemory(a, b)
	case "limits.cpu", "requests.cpu":
		return value.SameCPU(a, b)
	}
	return a == b
}

// attributes flattens a deployment into fields and their values.
func attributes(d schema.FunctionDeployment) map[string]string {
	out := map[string]string{"readonly_root_filesystem": strconv.FormatBool(d.ReadOnlyRootFilesystem)}
	set := func(field, value string) {
		if value != "" {
			out[field] = value
		}
	}
	table := func(prefix string, m map[string]string) {
		for k := range maps.Keys(m) {
			out[prefix+k] = m[k]
		}
	}
	present := func(prefix string, list []string) {
		for _, s := range list {
			out[prefix+s] = "present"
		}
	}
	set("image", d.Image)
	set("fprocess", d.EnvProcess)
	table("env.", d.EnvVars)
	table("label.", d.Labels)
	table("annotation.", d.Annotations)
	present("secret.", d.Secrets)
	present("constraint.", d.Constraints)
	for prefix, r := range map[string]*schema.FunctionResources{"limits.": d.Limits, "requests.": d.Requests} {
		if r != nil {
			set(prefix+"cpu", r.CPU)
			set(prefix+"memory", r.Memory)
		}
	}
	return out
}
