package builder

import (
	"bufio"
	"fmt"
	"io"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	gitignore "github.com/sabhiram/go-gitignore"
)

const (
	// faasIgnore lists, with the syntax of .gitignore, files of a handler that
	// stay out of every context. It stays out itself.
	faasIgnore = ".faasignore"
	// dockerIgnore counts at the root of a context and for what an engine is
	// sent only.
	dockerIgnore = ".dockerignore"
)

// maxIgnoreFile bounds an ignore file, in bytes.
const maxIgnoreFile = 1 << 20

// readFaasIgnore returns what the .faasignore at the top of a handler leaves
// out, or nil where there is none.
func readFaasIgnore(handler *layer) (func(name string, dir bool) bool, error) {
	f, err := handler.openFile(faasIgnore)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	in := bufio.NewScanner(io.LimitReader(f, maxIgnoreFile))
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	rules := gitignore.CompileIgnoreLines(lines...)
	return func(name string, dir bool) bool {
		return name == faasIgnore || rules.MatchesPath(name) || (dir && rules.MatchesPath(name+"/"))
	}, nil
}

// applyDockerIgnore returns tree without what the .dockerignore at its root
// leaves out; tree itself where there is none. The Dockerfile and the ignore
// file stay, as with docker.
func applyDockerIgnore(tree *node) (*node, error) {
	file := tree.child(dockerIgnore)
	if file == nil || file.kind != 0 {
		return tree, nil
	}
	f, err := file.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(io.LimitReader(f, maxIgnoreFile))
	if err != nil {
		return nil, file.failed("read", err)
	}
	if len(patterns) == 0 {
		return tree, nil
	}
	patterns = append(patterns, "!Dockerfile", "!"+dockerIgnore)
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", file.where(), err)
	}
	filtered, err := filterDocker(tree, "", matcher, patternmatcher.MatchInfo{})
	if err != nil {
		return nil, fmt.Errorf("%q: %w", file.where(), err)
	}
	filtered.seal()
	return filtered, nil
}

// filterDocker copies the folder n without what matches. A folder that matches
// stays where something in it does not.
func filterDocker(n *node, prefix string, m *patternmatcher.PatternMatcher, parent patternmatcher.MatchInfo) (*node, error) {
	out := *n
	out.children = nil
	for _, c := range n.children {
		ignored, info, err := m.MatchesUsingParentResults(prefix+c.name, parent)
		if err != nil {
			return nil, err
		}
		if !c.isDir() {
			if !ignored {
				out.add(c)
			}
			continue
		}
		if ignored && !m.Exclusions() {
			continue
		}
		sub, err := filterDocker(c, prefix+c.name+"/", m, info)
		if err != nil {
			return nil, err
		}
		if !ignored || len(sub.children) > 0 {
			out.add(sub)
		}
	}
	return &out, nil
}
