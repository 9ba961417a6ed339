package stack

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// Environ is what fn is deployed with before flags: environment, then each
// environment_file in order, later ones winning. The files are read from dir
// (empty: the working directory) and must lie inside it. Their variables are
// not replaced.
func (fn *Function) Environ(dir string) (map[string]string, error) {
	env := maps.Clone(fn.Environment)
	if len(fn.EnvironmentFile) == 0 {
		return env, nil
	}
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read environment files of %s: %w", fn.Name, err)
	}
	defer root.Close()
	if env == nil {
		env = map[string]string{}
	}
	for _, path := range fn.EnvironmentFile {
		vars, err := readEnvironment(root, dir, path)
		if err != nil {
			return nil, fmt.Errorf("read environment file %q of function %s: %w", path, fn.Name, err)
		}
		maps.Copy(env, vars)
	}
	return env, nil
}

// readEnvironment reads a YAML file whose key environment maps names to texts.
func readEnvironment(root *os.Root, dir, path string) (map[string]string, error) {
	name := path
	if filepath.IsAbs(path) {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		if name, err = filepath.Rel(abs, path); err != nil {
			return nil, err
		}
	}
	if !filepath.IsLocal(name) {
		return nil, errors.New("it is outside of the working directory")
	}
	file, err := root.Open(name)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	s, err := parseSource(path, text, nil)
	if err != nil {
		return nil, err
	}
	if s.root == nil || isNull(s.root) {
		return nil, nil
	}
	if s.root.Kind != yaml.MappingNode {
		return nil, s.errorf(s.root, "wants the key environment, but is %s", kind(s.root))
	}
	d := newDecoder(&File{sources: []*source{s}})
	d.unique(s, &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{s.root}}, 0)
	var env map[string]string
	d.each(s.root, "", func(k, v *yaml.Node) {
		if k.Value == "environment" {
			env = d.texts(v, "environment", false)
		}
	})
	if len(d.errs) > 0 {
		return nil, d.err()
	}
	return env, nil
}

// ParsePairs reads KEY=VALUE arguments of flags. what names them in errors,
// such as "label". Both sides must be there; blanks around a pair are cut.
func ParsePairs(what string, pairs []string) (map[string]string, error) {
	out := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		switch {
		case !ok:
			return nil, fmt.Errorf("%s %q: wants KEY=VALUE", what, pair)
		case key == "":
			return nil, fmt.Errorf("%s %q: the key is empty", what, pair)
		case value == "":
			return nil, fmt.Errorf("%s %q: the value is empty", what, pair)
		}
		out[key] = value
	}
	return out, nil
}
