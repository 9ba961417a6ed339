package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Resolved is what flags, templates and files make of a function.
type Resolved struct {
	Image       string            // after the tag rule; empty: as in the file
	FProcess    string            // template.yml's, for a function without one
	Environment map[string]string // with the environment files; nil: as in the file
}

// Effective is the file as commands see it: overlays merged, variables
// replaced, aliases and merge keys resolved, only the selected functions, no
// keys that begin with x-. resolve, unless nil, completes each function. With
// origins, every text, number and boolean has a comment that says which file
// and line it comes from.
func (f *File) Effective(resolve func(*Function) (Resolved, error), origins bool) (*yaml.Node, error) {
	e := &effective{f: f, d: newDecoder(f), origins: origins}
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	root := f.root
	if root == nil || root.Kind != yaml.MappingNode {
		root = out
	}
	e.d.each(root, "", func(k, v *yaml.Node) {
		switch {
		case strings.HasPrefix(k.Value, "x-"):
		case k.Value == "functions":
			out.Content = append(out.Content, e.scalar(k, false), &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"})
		default:
			out.Content = append(out.Content, e.scalar(k, false), e.node(v, 1))
		}
	})
	functions := child(out, "functions")
	for i := range f.Functions {
		fn := &f.Functions[i]
		n := e.node(fn.node, 2)
		if isNull(n) {
			n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		if resolve != nil {
			r, err := resolve(fn)
			if err != nil {
				return nil, err
			}
			e.complete(n, fn, r)
		}
		functions.Content = append(functions.Content, textNode(fn.Name), n)
	}
	if len(e.d.errs) > 0 {
		return nil, e.d.err()
	}
	return out, nil
}

type effective struct {
	f       *File
	d       *decoder
	origins bool
}

// node is a copy of n in block style that stands on its own.
func (e *effective) node(n *yaml.Node, depth int) *yaml.Node {
	const maxDepth = 100
	n = e.d.follow(n)
	if depth > maxDepth {
		e.d.errorf(n, "it is nested too deeply")
		return textNode("")
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		e.d.each(n, "", func(k, v *yaml.Node) {
			if !strings.HasPrefix(k.Value, "x-") {
				out.Content = append(out.Content, e.scalar(k, false), e.node(v, depth+1))
			}
		})
		return out
	case yaml.SequenceNode:
		out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, c := range n.Content {
			if !e.d.spend(c) {
				break
			}
			out.Content = append(out.Content, e.node(c, depth+1))
		}
		return out
	}
	return e.scalar(n, e.origins)
}

// scalar is a copy of n; the encoder chooses quotes by its tag.
func (e *effective) scalar(n *yaml.Node, origin bool) *yaml.Node {
	e.d.reveal(n)
	out := &yaml.Node{Kind: yaml.ScalarNode, Tag: n.ShortTag(), Value: n.Value}
	if out.Tag == "!!str" && out.Value != "" && looksTyped(out.Value) { // by YAML 1.1, which others read
		out.Style = yaml.DoubleQuotedStyle
	}
	if origin {
		p := e.f.position(n)
		out.LineComment = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return out
}

func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

// complete puts what was resolved into a function's node.
func (e *effective) complete(n *yaml.Node, fn *Function, r Resolved) {
	if r.Image != "" && r.Image != fn.Image {
		e.put(n, "image", textNode(r.Image), "resolved")
	}
	if fn.FProcess == "" && r.FProcess != "" {
		e.put(n, "fprocess", textNode(r.FProcess), "template.yml of "+fn.Language)
	}
	if r.Environment == nil || len(fn.EnvironmentFile) == 0 {
		return
	}
	env := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	old := child(n, "environment")
	for _, k := range slices.Sorted(maps.Keys(r.Environment)) {
		v := textNode(r.Environment[k])
		if e.origins {
			v.LineComment = "environment_file"
			if was := child(old, k); was != nil && was.Value == v.Value {
				v.LineComment = was.LineComment
			}
		}
		env.Content = append(env.Content, textNode(k), v)
	}
	e.put(n, "environment", env, "")
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == "environment_file" {
			n.Content = slices.Delete(n.Content, i, i+2)
			break
		}
	}
}

// put sets a key of a mapping.
func (e *effective) put(n *yaml.Node, key string, v *yaml.Node, origin string) {
	if e.origins {
		v.LineComment = origin
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = v
			return
		}
	}
	n.Content = append(n.Content, textNode(key), v)
}

// EncodeYAML writes a node of Effective, indented by two blanks.
func EncodeYAML(n *yaml.Node) ([]byte, error) {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, err
	}
	err := enc.Close()
	return []byte(b.String()), err
}

// Origin is a value of Effective and where it comes from.
type Origin struct {
	Path   string `json:"path"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // FILE:LINE, or what resolved it
}

// Origins lists the values of a node that Effective made with origins, in its
// order.
func Origins(n *yaml.Node) []Origin {
	out := []Origin{}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				walk(n.Content[i+1], strings.TrimPrefix(path+"."+n.Content[i].Value, "."))
			}
		case yaml.SequenceNode:
			for i, c := range n.Content {
				walk(c, fmt.Sprintf("%s[%d]", path, i))
			}
		default:
			out = append(out, Origin{path, n.Value, n.LineComment})
		}
	}
	walk(n, "")
	return out
}

// EncodeJSON writes a node of Effective as JSON, indented by two blanks, keys
// in its order. Every value is text, as commands take it, but for booleans and
// null.
func EncodeJSON(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	if err := appendJSON(&b, n); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func appendJSON(b *bytes.Buffer, n *yaml.Node) error {
	text := func(s string) error {
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		err := enc.Encode(s)
		b.Truncate(b.Len() - 1) // the newline of Encode
		return err
	}
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := text(n.Content[i].Value); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := appendJSON(b, n.Content[i+1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, c); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		switch n.Tag {
		case "!!null":
			b.WriteString("null")
		case "!!bool":
			b.WriteString(strings.ToLower(n.Value))
		default:
			return text(n.Value)
		}
	}
	return nil
}
