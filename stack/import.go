package stack

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
)

// Import writes deployed functions as a stack file, by name, with secrets by
// name only. Comparing it with the gateway shows no difference. Texts that
// look like variables are escaped. namespaces says whether each function's
// namespace is written; leftOut names the functions that a stack file cannot
// hold.
func Import(gateway string, functions []schema.FunctionStatus, namespaces bool) (text []byte, leftOut []string) {
	functions = slices.Clone(functions)
	slices.SortFunc(functions, func(a, b schema.FunctionStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
	})
	var b strings.Builder
	b.WriteString("version: 1.0\nprovider:\n  name: openfaas\n  gateway: " + literal(scalar(gateway, false)) + "\nfunctions:")
	previous, count := "", 0
	for _, s := range functions {
		if CheckName(s.Name) != nil || s.Name == previous {
			leftOut = append(leftOut, s.Name)
			continue
		}
		previous = s.Name
		fn := fromStatus(s)
		if namespaces {
			fn.Namespace = s.Namespace
		}
		b.WriteString("\n" + literal(block(s.Name, fn, "  ", "  ", "\n")))
		count++
	}
	if count == 0 {
		b.WriteString(" {}\n")
	}
	return []byte(b.String()), leftOut
}

// fromStatus is a stack function that deploys what s reports. Its image is
// there already, so it is not built.
func fromStatus(s schema.FunctionStatus) schema.Function {
	fn := schema.Function{
		Image:                  s.Image,
		FProcess:               s.EnvProcess,
		Environment:            s.EnvVars,
		Secrets:                s.Secrets,
		SkipBuild:              true,
		Labels:                 ownKeys(s.Labels),
		Annotations:            ownKeys(s.Annotations),
		Limits:                 stackAmounts(s.Limits),
		Requests:               stackAmounts(s.Requests),
		ReadOnlyRootFilesystem: s.ReadOnlyRootFilesystem,
	}
	if len(s.Constraints) > 0 {
		fn.Constraints = &s.Constraints
	}
	return fn
}

// ownKeys leaves out what providers add.
func ownKeys(m *map[string]string) *map[string]string {
	if m == nil {
		return nil
	}
	out := maps.Clone(*m)
	for _, key := range providerKeys() {
		delete(out, key)
	}
	return &out
}

// providerKeys are labels and annotations that providers add to a function.
func providerKeys() []string { return []string{"com.openfaas.uid", "uid", "faas_function"} }

func stackAmounts(r *schema.FunctionResources) *schema.StackResources {
	if r == nil {
		return nil
	}
	return &schema.StackResources{Memory: r.Memory, CPU: r.CPU}
}

// literal escapes what substitution would take out of a text: a dollar before
// a dollar or brace, and backslashes before a backslash or slash, are doubled.
func literal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c != '$' && c != '\\' {
			b.WriteByte(c)
			i++
			continue
		}
		n := 1
		for i+n < len(s) && s[i+n] == c {
			n++
		}
		special := byte('{')
		if c == '\\' {
			special = '/'
		}
		run := s[i : i+n]
		if n > 1 || i+n < len(s) && s[i+n] == special {
			run += run
		}
		b.WriteString(run)
		i += n
	}
	return b.String()
}
