package templates

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faas-cli/faas-cli/schema"
)

// What lint calls large, in bytes.
const (
	largeFile = 1 << 20
	largeTree = 10 << 20
)

// config is a template.yml as lint reads it.
type config struct {
	schema.Template
	node *yaml.Node // the mapping; nil if it cannot be read
}

// lintFiles looks at names, links and sizes.
func (l *linter) lintFiles() {
	if _, err := ParseName(l.template); err != nil {
		l.report(ruleNames, "", 0, "the folder's name cannot be a template's: %s", err)
	}
	var files []treeFile
	links := map[string]string{}
	var total int64
	err := fs.WalkDir(l.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" && name == ".git" {
				return fs.SkipDir // a template that is a repository of its own
			}
			return nil
		}
		file := treeFile{path: name, mode: modeFile}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			file.mode = modeLink
			target, err := fs.ReadLink(l.fsys, name)
			if err != nil {
				return err
			}
			links[name] = target
		case !d.Type().IsRegular():
			file.mode = ""
		default:
			info, err := d.Info()
			if err != nil {
				return err
			}
			total += info.Size()
			l.lintSize(name, info.Size())
		}
		files = append(files, file)
		return nil
	})
	if err != nil {
		l.report(ruleNames, "", 0, "the folder cannot be read: %s", err)
		return
	}
	if total > largeTree {
		l.report(ruleSize, "", 0, "all files together have %d MiB; they travel with every build", total>>20)
	}
	l.lintTree(files, links)
}

func (l *linter) lintSize(name string, size int64) {
	switch {
	case size > maxFileSize:
		l.reportAs(SeverityError, ruleSize, name, 0, "it has %d MiB; files over %d MiB are refused", size>>20, maxFileSize>>20)
	case size > largeFile:
		l.report(ruleSize, name, 0, "it has %d KiB and travels with every build", size>>10)
	}
}

func (l *linter) lintTree(files []treeFile, links map[string]string) {
	var unsafe *UnsafeError
	if err := checkTree(l.template, files); errors.As(err, &unsafe) {
		l.report(ruleNames, unsafe.Path, 0, "%s; a template with it is refused", unsafe.Why)
	}
	for _, name := range slices.Sorted(maps.Keys(links)) {
		hops := 0
		inside := map[string]string{name: links[name]}
		switch err := checkLinks(l.template, inside); {
		case errors.As(err, &unsafe), !staysInside(links, path.Dir(name), links[name], &hops):
			l.report(ruleLinks, name, 0, "it is a link to %q, which leaves the template; a template with it is refused", links[name])
		default:
			if _, err := fs.Stat(l.fsys, name); err != nil {
				l.reportAs(SeverityWarning, ruleLinks, name, 0, "it is a link to %q, which does not exist", links[name])
			}
		}
	}
	if _, err := fs.Stat(l.fsys, TestFile); err != nil {
		l.report(ruleTestMissing, "", 0, "there is no %s, so nobody can test the template", TestFile)
	}
}

// lintConfig looks at template.yml and at what it names.
func (l *linter) lintConfig() {
	l.handler = defaultHandler
	data, err := l.text(ConfigFile)
	if err != nil {
		l.report(ruleConfig, ConfigFile, 0, "it cannot be read: %s", plainPath(err))
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		l.report(ruleConfig, ConfigFile, yamlLine(err), "it is not YAML: %s", err)
		return
	}
	if len(doc.Content) > 0 {
		l.config.node = doc.Content[0]
		if l.config.node.Kind != yaml.MappingNode {
			l.report(ruleConfig, ConfigFile, l.config.node.Line, "it is not a mapping")
			return
		}
		if err := doc.Decode(&l.config.Template); err != nil {
			l.report(ruleConfig, ConfigFile, yamlLine(err), "%s", strings.ReplaceAll(err.Error(), "\n", " "))
			return
		}
		l.lintKeys(l.config.node, "", map[string]any{
			"language": nil, "fprocess": nil, "welcome_message": nil, "handler_folder": nil, "mount_ssh": nil,
			"build_options": map[string]any{"name": nil, "packages": nil},
			"local":         map[string]any{"version": nil, "kind": nil, "entry": nil, "minimum_tool": nil, "debugger": nil},
		})
	}
	l.lintHandler()
	l.lintOptions()
	l.lintLocal()
}

// lintKeys reports keys that nobody reads. known maps keys to those below.
func (l *linter) lintKeys(n *yaml.Node, above string, known map[string]any) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			l.lintKeys(item, above, known)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			below, ok := known[key.Value]
			switch {
			case strings.HasPrefix(key.Value, "x-"):
			case !ok:
				l.report(ruleKeys, ConfigFile, key.Line, "the key %q means nothing", above+key.Value)
			case below != nil:
				l.lintKeys(n.Content[i+1], above+key.Value+".", below.(map[string]any))
			}
		}
	}
}

// yamlLine finds the line in an error of the YAML parser, which has it in its
// text only; it decides nothing but where the finding is shown.
func yamlLine(err error) int {
	_, rest, ok := strings.Cut(err.Error(), "line ")
	line := 0
	if ok {
		_, _ = fmt.Sscanf(rest, "%d", &line)
	}
	return line
}

// line is where a key of template.yml stands.
func (c config) line(key string) int {
	if c.node == nil {
		return 0
	}
	for i := 0; i+1 < len(c.node.Content); i += 2 {
		if c.node.Content[i].Value == key {
			return c.node.Content[i].Line
		}
	}
	return 0
}

func (l *linter) lintHandler() {
	line := l.config.line("handler_folder")
	dir := Template{Config: l.config.Template}.HandlerFolder()
	if !fs.ValidPath(dir) {
		l.report(ruleHandler, ConfigFile, line, "handler_folder %q leaves the template", l.config.HandlerFolder)
		return
	}
	l.handler = dir
	entries, err := fs.ReadDir(l.fsys, dir)
	switch {
	case err != nil:
		l.report(ruleHandler, ConfigFile, line, "the handler folder %q is not there", dir)
	case len(entries) == 0:
		l.reportAs(SeverityWarning, ruleHandler, dir, 0, "the handler folder is empty, so new has nothing to start from")
	}
}

func (l *linter) lintOptions() {
	line := l.config.line("build_options")
	seen := map[string]bool{}
	for _, o := range l.config.BuildOptions {
		switch {
		case o.Name == "":
			l.report(ruleOptions, ConfigFile, line, "a build option has no name")
		case seen[o.Name]:
			l.report(ruleOptions, ConfigFile, line, "the build option %q is there twice", o.Name)
		case len(o.Packages) == 0:
			l.report(ruleOptions, ConfigFile, line, "the build option %q has no packages", o.Name)
		}
		seen[o.Name] = true
	}
}

// localKinds are the tool chains of local blocks.
func localKinds() []string { return []string{"go", "python"} }

// localVersion is the version of the block that is understood.
const localVersion = 1

func (l *linter) lintLocal() {
	b := l.config.Local
	if b == nil {
		return
	}
	line := l.config.line("local")
	switch {
	case b.Version != localVersion:
		l.report(ruleLocal, ConfigFile, line, "version %d is not known, only %d", b.Version, localVersion)
	case !slices.Contains(localKinds(), b.Kind):
		l.report(ruleLocal, ConfigFile, line, "the kind %q is none of %s", b.Kind, strings.Join(localKinds(), ", "))
	case b.Debugger != "" && !slices.Contains(schema.Debuggers(), b.Debugger):
		l.report(ruleLocal, ConfigFile, line, "the debugger %q is none of %s", b.Debugger, strings.Join(schema.Debuggers(), ", "))
	case !fs.ValidPath(path.Clean(b.Entry)) || b.Entry == "":
		l.report(ruleLocal, ConfigFile, line, "the entry %q is not a path in the template", b.Entry)
	default:
		if _, err := fs.Stat(l.fsys, path.Clean(b.Entry)); err != nil {
			l.report(ruleLocal, ConfigFile, line, "the entry %q is not there", b.Entry)
		}
		l.reportAs(SeverityNote, ruleLocal, ConfigFile, line,
			"functions can be built with %s and run without a container: users say `faas-cli template trust %s` first, and again when the content changes", b.Kind, l.template)
	}
}
