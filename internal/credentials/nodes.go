package credentials

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// index returns where the value of key is in a mapping's content, or -1.
func index(mapping *yaml.Node, key string) int {
	if mapping.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if mapping.Content[i].Value == key {
				return i + 1
			}
		}
	}
	return -1
}

// value is the text of a scalar in a mapping, or "".
func value(mapping *yaml.Node, key string) string {
	if i := index(mapping, key); i >= 0 {
		return mapping.Content[i].Value
	}
	return ""
}

// sequence returns the list under key, which is added to the mapping if it is
// not there.
func sequence(mapping *yaml.Node, key string) (*yaml.Node, error) {
	i := index(mapping, key)
	if i < 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, list)
		return list, nil
	}
	list := mapping.Content[i]
	if list.Kind == yaml.ScalarNode && list.Tag == "!!null" {
		list.Kind, list.Tag, list.Value = yaml.SequenceNode, "!!seq", ""
	}
	if list.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %[2]d: %[1]s is not a list", key, list.Line)
	}
	return list, nil
}

// replaceKeys makes those keys of a mapping what they are in fresh, also
// absent, and leaves the others alone.
func replaceKeys(mapping, fresh *yaml.Node, keys ...string) {
	for _, key := range keys {
		at, from := index(mapping, key), index(fresh, key)
		switch {
		case at >= 0 && from >= 0:
			with := *fresh.Content[from]
			with.LineComment, with.FootComment = mapping.Content[at].LineComment, mapping.Content[at].FootComment
			mapping.Content[at] = &with
		case at >= 0:
			mapping.Content = slices.Delete(mapping.Content, at-1, at+1)
		case from >= 0:
			mapping.Content = append(mapping.Content, fresh.Content[from-1], fresh.Content[from])
		}
	}
}
