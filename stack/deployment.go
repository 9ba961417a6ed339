package stack

import (
	"fmt"
	"maps"
	"slices"

	"github.com/faas-cli/faas-cli/schema"
)

// Overrides is what flags, the template and the tag rule add to a function of
// a stack file.
type Overrides struct {
	Image       string // final reference (ImageName); required
	Namespace   string // wins over the function's; empty: no override
	FProcess    string // template.yml's; counts when the function has none
	Environment map[string]string
	Labels      map[string]string
	Annotations map[string]string
	Secrets     []string // before the function's own, each once
	Constraints []string // only when the function has no key constraints
	ReadOnly    bool     // can only switch on

	// Dir is where environment files are read from; empty: the process's
	// working directory.
	Dir string
}

// Deployment maps fn to what the gateway is sent. It is the one mapping of
// deploy, diff and generate. It reads the environment files; an empty image is
// ErrNoImage.
func (fn *Function) Deployment(o Overrides) (schema.FunctionDeployment, error) {
	if o.Image == "" {
		return schema.FunctionDeployment{}, fmt.Errorf("function %s: %w", fn.Name, ErrNoImage)
	}
	env, err := fn.Environ(o.Dir)
	if err != nil {
		return schema.FunctionDeployment{}, err
	}
	constraints := o.Constraints
	if fn.Constraints != nil {
		constraints = *fn.Constraints
	}
	return schema.FunctionDeployment{
		Service:                fn.Name,
		Image:                  o.Image,
		Namespace:              first(o.Namespace, fn.Namespace),
		EnvProcess:             first(fn.FProcess, o.FProcess),
		EnvVars:                overlay(env, o.Environment),
		Constraints:            slices.Clone(constraints),
		Secrets:                union(o.Secrets, fn.Secrets),
		Labels:                 overlay(orNone(fn.Labels), o.Labels),
		Annotations:            overlay(orNone(fn.Annotations), o.Annotations),
		Limits:                 amounts(fn.Limits),
		Requests:               amounts(fn.Requests),
		ReadOnlyRootFilesystem: fn.ReadOnlyRootFilesystem || o.ReadOnly,
	}, nil
}

// first is a, or b where a is empty.
func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// orNone is what m points to, nil for nil.
func orNone(m *map[string]string) map[string]string {
	if m == nil {
		return nil
	}
	return *m
}

// overlay is a new map, never nil, in which over wins.
func overlay(base, over map[string]string) map[string]string {
	out := make(map[string]string, len(base)+len(over))
	maps.Copy(out, base)
	maps.Copy(out, over)
	return out
}

// union is flags followed by the rest that they do not hold.
func union(flags, rest []string) []string {
	var out []string
	for _, s := range slices.Concat(flags, rest) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// amounts is nil where neither amount is stated.
func amounts(r *schema.StackResources) *schema.FunctionResources {
	if r == nil || r.Memory == "" && r.CPU == "" {
		return nil
	}
	return &schema.FunctionResources{Memory: r.Memory, CPU: r.CPU}
}
