package stack

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
)

// KnativeAPI is the apiVersion for which manifests are Knative services.
const KnativeAPI = "serving.knative.dev/v1"

// appendManifest appends the Kubernetes manifest of a deployment to b: a
// Knative service for [KnativeAPI], else a Function of the OpenFaaS operator.
// A nil map or list of d is left out, an empty one is written. namespace may
// be empty. The operator has no field for the process, so it becomes the
// environment variable fprocess unless that is set.
//
// Source of the format: the operator's CRD and Knative Serving's API.
func appendManifest(b []byte, api, namespace string, d *schema.FunctionDeployment) []byte {
	env := d.EnvVars
	if _, set := env["fprocess"]; d.EnvProcess != "" && !set {
		env = overlay(env, map[string]string{"fprocess": d.EnvProcess})
	}
	m := manifest{b: b}
	m.b = append(m.b, "---\napiVersion: "...)
	m.value(api)
	if api == KnativeAPI {
		m.knative(namespace, env, d)
	} else {
		m.function(namespace, env, d)
	}
	return m.b
}

// manifest writes the little YAML that manifests are made of; an encoder that
// walks types takes several times as long for large stacks.
type manifest struct{ b []byte }

func (m *manifest) function(namespace string, env map[string]string, d *schema.FunctionDeployment) {
	m.b = append(m.b, "kind: Function\n"...)
	m.metadata(namespace, d.Service, nil)
	m.b = append(m.b, "spec:\n"...)
	m.text("  name: ", d.Service)
	m.text("  image: ", d.Image)
	if len(env) > 0 {
		m.table("environment", env)
	}
	if d.Labels != nil {
		m.table("labels", d.Labels)
	}
	if d.Annotations != nil {
		m.table("annotations", d.Annotations)
	}
	m.amounts("limits", d.Limits)
	m.amounts("requests", d.Requests)
	if d.Constraints != nil {
		m.list("constraints", d.Constraints)
	}
	if len(d.Secrets) > 0 {
		m.list("secrets", d.Secrets)
	}
	if d.ReadOnlyRootFilesystem {
		m.b = append(m.b, "  readOnlyRootFilesystem: true\n"...)
	}
}

func (m *manifest) knative(namespace string, env map[string]string, d *schema.FunctionDeployment) {
	m.b = append(m.b, "kind: Service\n"...)
	m.metadata(namespace, d.Service, d.Annotations)
	m.b = append(m.b, "spec:\n  template:\n    spec:\n      containers:\n"...)
	m.text("        - image: ", d.Image)
	if len(env) > 0 {
		m.b = append(m.b, "          env:\n"...)
		for _, k := range slices.Sorted(maps.Keys(env)) {
			m.text("            - name: ", k)
			m.b = append(m.b, "              value: "...)
			m.multiline(env[k], "                ")
		}
	}
	if len(d.Secrets) == 0 {
		return
	}
	m.b = append(m.b, "          volumeMounts:\n"...)
	for _, s := range d.Secrets {
		m.text("            - name: ", s)
		m.text("              mountPath: ", "/var/openfaas/secrets/"+s)
		m.b = append(m.b, "              readOnly: true\n"...)
	}
	m.b = append(m.b, "      volumes:\n"...)
	for _, s := range d.Secrets {
		m.text("        - name: ", s)
		m.b = append(m.b, "          secret:\n"...)
		m.text("            secretName: ", s)
	}
}

func (m *manifest) metadata(namespace, name string, annotations map[string]string) {
	m.b = append(m.b, "metadata:\n"...)
	m.text("  name: ", name)
	if namespace != "" {
		m.text("  namespace: ", namespace)
	}
	if len(annotations) > 0 {
		m.table("annotations", annotations)
	}
}

func (m *manifest) text(before, s string) {
	m.b = append(m.b, before...)
	m.value(s)
}

func (m *manifest) value(s string) {
	m.b = append(m.b, scalar(s, false)...)
	m.b = append(m.b, '\n')
}

func (m *manifest) table(key string, values map[string]string) {
	m.b = append(m.b, "  "+key...)
	if len(values) == 0 {
		m.b = append(m.b, ": {}\n"...)
		return
	}
	m.b = append(m.b, ":\n"...)
	for _, k := range slices.Sorted(maps.Keys(values)) {
		m.b = append(m.b, blockKey(scalar(k, false), "    ", "\n")...)
		m.multiline(values[k], "      ")
	}
}

func (m *manifest) list(key string, values []string) {
	m.b = append(m.b, "  "+key...)
	if len(values) == 0 {
		m.b = append(m.b, ": []\n"...)
		return
	}
	m.b = append(m.b, ":\n"...)
	for _, v := range values {
		m.text("    - ", v)
	}
}

// amounts leaves out what is not stated: Kubernetes refuses an empty quantity.
func (m *manifest) amounts(key string, r *schema.FunctionResources) {
	if r == nil || r.Memory == "" && r.CPU == "" {
		return
	}
	m.b = append(m.b, "  "+key+":\n"...)
	if r.Memory != "" {
		m.text("    memory: ", r.Memory)
	}
	if r.CPU != "" {
		m.text("    cpu: ", r.CPU)
	}
}

// multiline writes a text of several lines as a block where YAML can hold it
// so, else like any other text.
func (m *manifest) multiline(s, indent string) {
	if !blockSafe(s) {
		m.value(s)
		return
	}
	m.b = append(m.b, '|')
	body, ended := strings.CutSuffix(s, "\n")
	if !ended {
		m.b = append(m.b, '-')
	}
	m.b = append(m.b, '\n')
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			m.b = append(m.b, indent...)
			m.b = append(m.b, line...)
		}
		m.b = append(m.b, '\n')
	}
}

// blockSafe tells whether s has several lines that a block scalar shows as
// they are.
func blockSafe(s string) bool {
	if !strings.Contains(s, "\n") || strings.HasSuffix(s, "\n\n") || s == "\n" || strings.ContainsAny(s[:1], " \t\n") {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if strings.HasSuffix(line, " ") {
			return false
		}
	}
	for _, r := range s {
		if r != '\n' && r != '\t' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd || r > 0xffff) {
			return false
		}
	}
	return true
}

// ManifestWriter writes manifests to w in pieces of some size.
type ManifestWriter struct {
	W              io.Writer
	API, Namespace string // as for appendManifest

	buf []byte
}

// flushSize is how much a ManifestWriter gathers, in bytes.
const flushSize = 64 << 10

// Write adds one manifest; namespace, unless empty, replaces the writer's.
func (m *ManifestWriter) Write(namespace string, d *schema.FunctionDeployment) error {
	m.buf = appendManifest(m.buf, m.API, first(namespace, m.Namespace), d)
	if len(m.buf) < flushSize {
		return nil
	}
	return m.flush()
}

// Close ends the output, with an empty line if there were manifests.
func (m *ManifestWriter) Close() error {
	if m.buf == nil {
		return nil
	}
	m.buf = append(m.buf, '\n')
	return m.flush()
}

func (m *ManifestWriter) flush() error {
	_, err := m.W.Write(m.buf)
	m.buf = m.buf[:0]
	return err
}
