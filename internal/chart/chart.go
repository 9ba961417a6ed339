// Package chart takes the output of `helm template` apart: one file for each
// Kubernetes resource, for repositories that a GitOps tool watches.
package chart

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// ErrEmpty says that a chart rendered no resource.
var ErrEmpty = errors.New("no resources found in the output of helm")

// maxNodes bounds a document once its aliases are written out, so that a few
// lines of YAML cannot become gigabytes.
const maxNodes = 1 << 20

// crdKind sorts before all other folders, as resources need their definitions.
const crdKind = "customresourcedefinition"

// Resource is one Kubernetes resource.
type Resource struct {
	Path    string // kind/name.yaml, with slashes, without an element that leaves the folder
	Content []byte // YAML, keys sorted, without comments
}

type document struct {
	kind, name, namespace string
	node                  *yaml.Node
}

// Split reads a stream of YAML documents. Those without kind or name are left
// out; without any other, the error is [ErrEmpty].
func Split(r io.Reader) ([]Resource, error) {
	docs, err := read(r)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, ErrEmpty
	}
	same := map[string]int{} // how many resources share a kind and a name
	for _, d := range docs {
		same[d.kind+"/"+d.name]++
	}
	taken := map[string]bool{}
	resources := make([]Resource, 0, len(docs))
	for _, d := range docs {
		stem := folder(d.kind) + "/" + fileName(d.name)
		if same[d.kind+"/"+d.name] > 1 && d.namespace != "" {
			stem += "." + fileName(d.namespace)
		}
		path := stem + ".yaml"
		for n := 2; taken[strings.ToLower(path)]; n++ { // lower case: some file systems do not tell
			path = stem + "-" + strconv.Itoa(n) + ".yaml"
		}
		taken[strings.ToLower(path)] = true
		content, err := encode(d.node)
		if err != nil {
			return nil, fmt.Errorf("write %s %q: %w", d.kind, d.name, err)
		}
		resources = append(resources, Resource{Path: path, Content: content})
	}
	return resources, nil
}

func read(r io.Reader) ([]document, error) {
	var docs []document
	for dec := yaml.NewDecoder(r); ; {
		var node yaml.Node
		err := dec.Decode(&node)
		if err == io.EOF {
			return docs, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the output of helm: %w", err)
		}
		root := &node
		if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
			root = root.Content[0]
		}
		budget := maxNodes
		if root, err = plain(root, &budget); err != nil {
			return nil, fmt.Errorf("read the output of helm: line %d: %w", node.Line, err)
		}
		meta := value(root, "metadata")
		d := document{kind: text(value(root, "kind")), name: text(value(meta, "name")), namespace: text(value(meta, "namespace")), node: root}
		if d.kind != "" && d.name != "" {
			docs = append(docs, d)
		}
	}
}

// plain copies a node in block style, with sorted keys, aliases written out
// and comments left out.
func plain(n *yaml.Node, budget *int) (*yaml.Node, error) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if *budget--; *budget < 0 {
		return nil, errors.New("too many nodes")
	}
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style &^ yaml.FlowStyle, Line: n.Line, Column: n.Column}
	for _, child := range n.Content {
		p, err := plain(child, budget)
		if err != nil {
			return nil, err
		}
		c.Content = append(c.Content, p)
	}
	if c.Kind == yaml.MappingNode {
		pairs := slices.Collect(slices.Chunk(c.Content, 2))
		slices.SortStableFunc(pairs, func(a, b []*yaml.Node) int { return cmp.Compare(a[0].Value, b[0].Value) })
		c.Content = slices.Concat(pairs...)
	}
	return c, nil
}

// value returns what a key of a mapping holds, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for pair := range slices.Chunk(n.Content, 2) {
		if pair[0].Value == key {
			return pair[1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

func encode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err := enc.Encode(n)
	return b.Bytes(), errors.Join(err, enc.Close())
}

func folder(kind string) string {
	kind = strings.ToLower(kind)
	if kind == crdKind {
		return "00_" + kind
	}
	return fileName(kind)
}

// fileName makes a name that is one element of a path: other characters than
// letters, digits, "-", "_", ":" and inner dots become "-".
func fileName(name string) string {
	b := []byte(name)
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == ':', c == '.' && i > 0:
		default:
			b[i] = '-'
		}
	}
	return string(b)
}
