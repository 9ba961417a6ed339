package stack

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/internal/spelling"
	"github.com/faas-cli/faas-cli/schema"
)

// functionKeys are the keys of a function, in the order in which they are
// written.
func functionKeys() []string {
	return []string{
		"lang", "handler", "image", "fprocess", "environment", "environment_file", "secrets",
		"skip_build", "constraints", "labels", "annotations", "limits", "requests",
		"readonly_root_filesystem", "build_options", "build_args", "build_secrets",
		"namespace", "platforms",
	}
}

// function decodes one function.
func (d *decoder) function(fn *Function) {
	path := "functions." + fn.Name
	if n := d.follow(fn.node); !d.isEmpty(n) && n.Kind != yaml.MappingNode && slices.Contains(functionKeys(), fn.Name) {
		d.rulef(n, RuleSchema, "functions: %q is a key of a function and must be indented deeper than the function's name", fn.Name)
		return
	}
	if !d.isMapping(fn.node, path) {
		return
	}
	d.each(fn.node, path, func(k, v *yaml.Node) { d.field(fn, k, v, path) })
	if strings.EqualFold(fn.Language, "dockerfile") {
		fn.Language = "dockerfile" // as --lang does
	}
	for _, x := range badValues(fn) {
		d.warnAt(x.pos, RuleBadValue, x.message)
	}
}

// field decodes one key of a function.
func (d *decoder) field(fn *Function, k, v *yaml.Node, path string) {
	at := path + "." + k.Value
	switch k.Value {
	case "lang":
		fn.Language = d.line(v, at)
	case "handler":
		fn.Handler = d.line(v, at)
	case "image":
		fn.Image = d.line(v, at)
	case "fprocess":
		fn.FProcess = d.text(v, at)
	case "environment":
		fn.Environment = d.texts(v, at, false)
	case "environment_file":
		fn.EnvironmentFile = d.lines(v, at)
	case "secrets":
		fn.Secrets = d.lines(v, at)
	case "skip_build":
		fn.SkipBuild = d.boolean(v, at)
	case "constraints":
		if list := d.lines(v, at); list != nil || !isAbsent(d.follow(v)) {
			fn.Constraints = &list
		}
	case "labels":
		fn.Labels = d.present(v, at)
	case "annotations":
		fn.Annotations = d.present(v, at)
	case "limits":
		fn.Limits = d.resources(v, at)
	case "requests":
		fn.Requests = d.resources(v, at)
	case "readonly_root_filesystem":
		fn.ReadOnlyRootFilesystem = d.boolean(v, at)
	case "build_options":
		fn.BuildOptions = d.lines(v, at)
	case "build_args":
		fn.BuildArgs = d.texts(v, at, false)
	case "build_secrets":
		fn.BuildSecrets = d.texts(v, at, true)
	case "namespace":
		fn.Namespace = d.line(v, at)
	case "platforms":
		fn.Platforms = d.line(v, at)
	case "registry_auth", "network": // of the first generation, without effect
	default:
		d.unknown(k, path, functionKeys())
	}
}

// isAbsent tells whether a value says nothing at all, unlike [] and {}.
func isAbsent(n *yaml.Node) bool { return n == nil || isNull(n) }

// present decodes a mapping whose presence counts even when it is empty.
func (d *decoder) present(n *yaml.Node, path string) *map[string]string {
	m := d.texts(n, path, false)
	if m == nil {
		if isAbsent(d.follow(n)) {
			return nil
		}
		m = map[string]string{}
	}
	return &m
}

func (d *decoder) resources(n *yaml.Node, path string) *schema.StackResources {
	if !d.isMapping(n, path) {
		return nil
	}
	r := &schema.StackResources{}
	d.each(n, path, func(k, v *yaml.Node) {
		switch k.Value {
		case "memory":
			r.Memory = d.line(v, path+".memory")
		case "cpu":
			r.CPU = d.line(v, path+".cpu")
		default:
			d.unknown(k, path, []string{"memory", "cpu"})
		}
	})
	return r
}

// unknown reports a key without meaning, unless it begins with x-.
func (d *decoder) unknown(k *yaml.Node, path string, known []string) {
	if strings.HasPrefix(k.Value, "x-") {
		return
	}
	where := "the stack file"
	if path != "" {
		where = path
	}
	near := spelling.Nearest(k.Value, known)
	if alias := alias(k.Value); slices.Contains(known, strings.Split(alias, ".")[0]) {
		near = alias
	}
	switch {
	case near != "":
		d.warnf(k, RuleUnknownKey, "%s: unknown key %q, did you mean %q?", where, k.Value, near)
	case d.above != "":
		d.warnf(k, RuleUnknownKey, "%s: unknown key %q, is it to be indented below %q?", where, k.Value, d.above)
	default:
		d.warnf(k, RuleUnknownKey, "%s: unknown key %q", where, k.Value)
	}
}

// alias is the key of a function that others call by the name s.
func alias(s string) string {
	return map[string]string{
		"language": "lang", "env": "environment", "env_file": "environment_file", "command": "fprocess",
		"readonly": "readonly_root_filesystem", "memory": "limits.memory", "cpu": "limits.cpu",
	}[s]
}
