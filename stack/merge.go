package stack

import (
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// Overlay is the file beside base that belongs to the environment name, and
// whether it exists: hello.NAME.yml or .yaml for a base called hello.yml, else
// stack.NAME.yaml or .yml.
func Overlay(dir, base, name string) (string, bool) {
	folder, stem := filepath.Dir(base), strings.TrimSuffix(filepath.Base(base), filepath.Ext(base))
	for _, s := range []string{stem, "stack"} {
		for _, ext := range []string{".yaml", ".yml"} {
			path := filepath.Join(folder, s+"."+name+ext)
			if info, err := os.Stat(inDir(dir, path)); err == nil && info.Mode().IsRegular() {
				return path, true
			}
		}
	}
	return filepath.Join(folder, "stack."+name+".yaml"), false
}

// merge lays the later sources over the first one: mappings merge by key,
// everything else is replaced, and null removes. The nodes of a single source
// stay as they are.
func (f *File) merge(d *decoder) {
	f.root = f.sources[0].root
	if len(f.sources) == 1 {
		return
	}
	f.origins = map[*yaml.Node]*source{}
	for _, s := range f.sources[1:] {
		f.own(s, s.root)
	}
	if f.root == nil {
		f.root = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
	}
	for _, s := range f.sources[1:] {
		if s.root == nil || isNull(s.root) {
			continue
		}
		if s.root.Kind != yaml.MappingNode {
			d.errorf(s.root, "an overlay is a mapping, this is %s", kind(s.root))
			return
		}
		f.root = d.overlay(f.root, s.root, 0)
	}
}

// own notes that the nodes below n are of s.
func (f *File) own(s *source, n *yaml.Node) {
	if n == nil {
		return
	}
	f.origins[n] = s
	for _, c := range n.Content {
		f.own(s, c)
	}
}

// overlay is base with over on top. Neither changes: what differs is a new
// node at the place of over, so that aliases of base elsewhere keep their
// meaning.
func (d *decoder) overlay(base, over *yaml.Node, depth int) *yaml.Node {
	const maxDepth = 50 // far deeper than a stack file goes
	base, over = d.follow(base), d.follow(over)
	if base.Kind != yaml.MappingNode || over.Kind != yaml.MappingNode || depth > maxDepth {
		return over
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: base.Style, Line: base.Line, Column: base.Column}
	if s, ok := d.f.origins[base]; ok {
		d.f.origins[out] = s
	}
	at := map[string]int{} // of the value in out.Content
	d.each(base, "", func(k, v *yaml.Node) {
		at[k.Value] = len(out.Content) + 1
		out.Content = append(out.Content, k, v)
	})
	removed := map[string]bool{}
	d.each(over, "", func(k, v *yaml.Node) {
		resolved := d.follow(v)
		d.reveal(resolved)
		i, there := at[k.Value]
		switch {
		case isNull(resolved) && there:
			removed[k.Value] = true
		case isNull(resolved): // nothing to remove
		case there:
			out.Content[i-1], out.Content[i] = d.overlayKey(k, out.Content[i-1], v), d.overlay(out.Content[i], v, depth+1)
		default:
			out.Content = append(out.Content, k, v)
		}
	})
	if len(removed) == 0 {
		return out
	}
	var kept []*yaml.Node
	for i := 0; i < len(out.Content); i += 2 {
		if !removed[out.Content[i].Value] {
			kept = append(kept, out.Content[i], out.Content[i+1])
		}
	}
	out.Content = kept
	return out
}

// overlayKey is the key under which a merged value stands: the overlay's when
// its value replaces the base's, the base's when mappings merge.
func (d *decoder) overlayKey(over, base, value *yaml.Node) *yaml.Node {
	if d.follow(value).Kind == yaml.MappingNode {
		return base
	}
	return over
}
