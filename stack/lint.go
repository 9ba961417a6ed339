package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

// Severities, as SARIF calls them.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// Finding is one result of Validate. The order of the fields is that of the
// JSON.
type Finding struct {
	Rule     string   `json:"rule"` // stable name
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Message  string   `json:"message"`
	Advice   string   `json:"advice,omitempty"` // one line
}

// Position is where the finding is.
func (f Finding) Position() Position { return Position{File: f.File, Line: f.Line, Column: f.Column} }

// Rules of Validate beside those of Load.
const (
	RuleImage        = "image"                  // none, or no reference
	RuleSharedImage  = "shared-image"           // two functions are built into one image
	RuleLang         = "lang"                   // a function that cannot be built
	RuleTemplate     = "template"               // a template that is not here
	RuleHandler      = "handler"                // a folder that is not there, or outside the project
	RuleFile         = "file"                   // an environment file, build secret or copied path that is not there
	RuleSecret       = "secret"                 // not in .secrets, where local-run reads it
	RuleQuantity     = "quantity"               // no amount
	RuleRequests     = "requests-exceed-limits" // more is requested than allowed
	RulePlatforms    = "platforms"
	RuleLabel        = "label"         // a key or value that Kubernetes refuses
	RuleMisplaced    = "misplaced-key" // a label among the annotations, or the reverse
	RuleUnknownLabel = "unknown-label" // a com.openfaas key that nobody reads
	RuleRange        = "range"         // a label, annotation or variable whose value is not understood
	RuleDeprecated   = "deprecated"
	RuleSchedule     = "schedule"
	RuleTimeout      = "timeout" // timeouts that contradict each other
)

// RuleHelp tells what a rule is about, for tools that list rules.
func RuleHelp() map[string]string {
	return map[string]string{
		RuleSyntax:        "The file is valid YAML in UTF-8.",
		RuleVariable:      "Every ${…} is a form that is understood.",
		RuleSchema:        "Values have the type of their key.",
		RuleName:          "Function names are DNS labels of at most 63 characters.",
		RuleDuplicate:     "No key stands twice in a mapping.",
		RuleUnknownKey:    "Every key has a meaning, or begins with x-.",
		RuleUnsetVariable: "Variables have a value or a default.",
		RuleRemoteVars:    "Remote stack files get variables only with --envsubst.",
		RulePlainHTTP:     "Remote stack files are fetched over https.",
		RuleImage:         "Every function has a valid image reference.",
		RuleSharedImage:   "No two functions are built into one image.",
		RuleLang:          "Functions that are built name a template.",
		RuleTemplate:      "Templates are installed or come with faas-cli.",
		RuleHandler:       "Handlers are folders inside the project.",
		RuleFile:          "Environment files, build secrets and copied paths exist.",
		RuleSecret:        "Secrets have a file in .secrets, where that folder exists.",
		RuleQuantity:      "Amounts of memory and CPU are Kubernetes quantities.",
		RuleRequests:      "Requests are not larger than limits.",
		RulePlatforms:     "Platforms are OS/ARCH, separated by commas.",
		RuleLabel:         "Keys and values of labels and annotations are what Kubernetes accepts.",
		RuleMisplaced:     "Well-known keys stand in the map in which they are read.",
		RuleUnknownLabel:  "Keys of com.openfaas are known ones.",
		RuleRange:         "Well-known labels, annotations and variables have values that are understood.",
		RuleDeprecated:    "No outdated spelling is used.",
		RuleSchedule:      "Schedules are cron expressions and have their topic.",
		RuleTimeout:       "Timeouts do not contradict each other.",
	}
}

// ValidateOptions says what Validate may look at besides the stack file.
type ValidateOptions struct {
	// Template tells whether the template of a lang is at hand; nil: templates
	// are not checked.
	Template func(lang string) bool
}

// Validate loads stack files and checks them as far as that is possible
// without building or deploying: findings come in file order. The error says
// that a file could not be read at all, or that no function was selected.
func Validate(ctx context.Context, paths []string, o LoadOptions, v ValidateOptions) ([]Finding, *File, error) {
	o.Strict = false
	f, err := Load(ctx, paths, o)
	l := &linter{o: v, dir: o.Dir}
	if err != nil {
		if !l.addErrors(err) {
			return nil, nil, err
		}
		l.finish(nil)
		return l.findings, nil, nil
	}
	for _, w := range f.Warnings {
		severity, advice := SeverityWarning, ""
		switch w.Rule {
		case RuleUnknownKey:
			severity, advice = SeverityError, "correct or remove it; a key of your own begins with x-"
		case RuleUnsetVariable:
			advice = "set it, or give a default as in ${NAME:-value}"
		case RuleBadValue: // the rules below say more
			continue
		}
		l.add(w.Position, w.Rule, severity, w.Message, advice)
	}
	l.file(f)
	l.finish(f)
	return l.findings, f, nil
}

// linter gathers findings.
type linter struct {
	o        ValidateOptions
	dir      string
	root     *os.Root // the project
	findings []Finding
}

func (l *linter) add(p Position, rule string, s Severity, message, advice string) {
	l.findings = append(l.findings, Finding{
		Rule: rule, Severity: s, File: p.File, Line: p.Line, Column: p.Column, Message: message, Advice: advice,
	})
}

// addErrors turns the errors of Load into findings. It tells whether they are
// about the text of the file.
func (l *linter) addErrors(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only the top is meant
		all := true
		for _, e := range joined.Unwrap() {
			all = l.addErrors(e) && all
		}
		return all
	}
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		return false
	}
	l.add(syntax.Position, syntax.Rule, SeverityError, syntax.Message, syntax.Hint())
	return true
}

func adviceFor(rule string) string {
	switch rule {
	case RuleSyntax:
		return "indent with spaces, the keys of a mapping all by the same number, and quote values with special characters"
	case RuleVariable:
		return "write ${NAME}, ${NAME:-default}, or $${ for a literal ${"
	case RuleName:
		return "use lower-case letters, digits and inner dashes"
	case RuleDuplicate:
		return "remove or rename one of the two"
	case RuleSchema:
		return "faas-cli stack schema describes every key"
	}
	return ""
}

// finish sorts the findings and leaves out those that comments ignore.
func (l *linter) finish(f *File) {
	files := map[string]int{}
	ignored := map[string]map[int][]string{} // file, line
	if f != nil {
		for i, s := range f.sources {
			files[s.path] = i
			ignored[s.path] = ignoredRules(s.text)
		}
	}
	l.findings = slices.DeleteFunc(l.findings, func(x Finding) bool {
		return slices.Contains(ignored[x.File][x.Line], x.Rule)
	})
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(files[a.File], files[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// ignoredRules finds the comments "faas-cli: ignore RULE": each counts on its
// line, and one that is the whole line on the next as well.
func ignoredRules(text string) map[int][]string {
	const mark = "# faas-cli: ignore "
	if !strings.Contains(text, mark) {
		return nil
	}
	out := map[int][]string{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		before, comment, ok := strings.Cut(line, mark)
		if !ok {
			continue
		}
		rules := strings.FieldsFunc(comment, func(r rune) bool { return r == ' ' || r == ',' || r == '\r' || r == '\n' })
		out[n] = append(out[n], rules...)
		if strings.TrimSpace(before) == "" {
			out[n+1] = append(out[n+1], rules...)
		}
	}
	return out
}

// file checks what Load accepted.
func (l *linter) file(f *File) {
	dir := l.dir
	if dir == "" {
		dir = "."
	}
	if root, err := os.OpenRoot(dir); err == nil {
		l.root = root
		defer root.Close()
	}
	for i, path := range f.CopyExtra {
		p := f.position(child(child(child(f.root, "configuration"), "copy"), ""))
		if list := child(child(f.root, "configuration"), "copy"); list != nil && i < len(list.Content) {
			p = f.position(list.Content[i])
		}
		l.exists(p, "configuration.copy", path)
	}
	images := map[string]*Function{}
	templates := map[string]bool{}
	for i := range f.Functions {
		fn := &f.Functions[i]
		l.build(fn, images, templates)
		l.files(fn)
		l.resources(fn)
		l.wellKnown(fn)
		l.environment(fn)
	}
}

// at is where a value of fn stands, or the function if it has none.
func at(fn *Function, path ...string) Position { return fn.Position(path...) }

// exists checks a path that must lie inside the project.
func (l *linter) exists(p Position, what, path string) {
	switch _, err := l.stat(path); {
	case err == nil:
	case errors.Is(err, os.ErrNotExist):
		l.add(p, RuleFile, SeverityError, fmt.Sprintf("%s: %q does not exist", what, path), "create it or correct the path, which starts from the working directory")
	default:
		l.add(p, RuleFile, SeverityError, fmt.Sprintf("%s: %q is outside of the project", what, path), "keep it inside the working directory")
	}
}

// stat looks at a path of the project without leaving it.
func (l *linter) stat(path string) (os.FileInfo, error) {
	if l.root == nil {
		return nil, os.ErrNotExist
	}
	if filepath.IsAbs(path) {
		abs, err := filepath.Abs(l.root.Name())
		if err != nil {
			return nil, err
		}
		if path, err = filepath.Rel(abs, path); err != nil {
			return nil, err
		}
	}
	return l.root.Stat(filepath.Clean(path))
}

// build checks what a build needs.
func (l *linter) build(fn *Function, images map[string]*Function, templates map[string]bool) {
	where := "function " + fn.Name
	l.image(fn)
	if fn.SkipBuild {
		return
	}
	if fn.Image != "" && fn.Language != "" {
		if other, ok := images[withTag(fn.Image)]; ok {
			l.add(at(fn, "image"), RuleSharedImage, SeverityWarning,
				fmt.Sprintf("%s is built into the same image as %s, %q", where, other.Name, fn.Image), "give each function an image of its own")
		} else {
			images[withTag(fn.Image)] = fn
		}
	}
	if fn.Language == "" {
		l.add(fn.Pos, RuleLang, SeverityWarning, where+" has no lang, so it cannot be built", "name a template, or set skip_build: true for a prebuilt image")
		return
	}
	if l.o.Template != nil && fn.Language != "dockerfile" {
		here, asked := templates[fn.Language]
		if !asked {
			here = l.o.Template(fn.Language)
			templates[fn.Language] = here
		}
		if !here {
			l.add(at(fn, "lang"), RuleTemplate, SeverityWarning, fmt.Sprintf("%s: the template %q is not installed", where, fn.Language),
				"build will look for it in the store; faas-cli template store pull installs it now")
		}
	}
	l.handler(fn)
}

func (l *linter) handler(fn *Function) {
	where := "function " + fn.Name
	if fn.Handler == "" {
		l.add(fn.Pos, RuleHandler, SeverityError, where+" has no handler", "name the folder with its code, such as handler: ./"+fn.Name)
		return
	}
	switch info, err := l.stat(fn.Handler); {
	case err == nil && !info.IsDir():
		l.add(at(fn, "handler"), RuleHandler, SeverityError, fmt.Sprintf("%s: the handler %q is no folder", where, fn.Handler), "name the folder that holds the code")
	case errors.Is(err, os.ErrNotExist):
		l.add(at(fn, "handler"), RuleHandler, SeverityError, fmt.Sprintf("%s: the handler %q does not exist", where, fn.Handler), "create the folder or correct the path, which starts from the working directory")
	case err != nil:
		l.add(at(fn, "handler"), RuleHandler, SeverityError, fmt.Sprintf("%s: the handler %q is outside of the project", where, fn.Handler), "keep it inside the working directory")
	}
}

// files checks the files that a function names.
func (l *linter) files(fn *Function) {
	for i, path := range fn.EnvironmentFile {
		p := fn.item("environment_file", i)
		before := len(l.findings)
		l.exists(p, "function "+fn.Name+": environment_file", path)
		if len(l.findings) > before || l.root == nil {
			continue
		}
		if _, err := readEnvironment(l.root, l.root.Name(), path); err != nil && !l.addErrors(err) {
			l.add(p, RuleFile, SeverityError, fmt.Sprintf("function %s: environment_file %q: %v", fn.Name, path, err), "")
		}
	}
	for _, id := range sortedKeys(fn.BuildSecrets) {
		path := fn.BuildSecrets[id]
		if _, err := os.Stat(inDir(l.dir, path)); err != nil { // may lie anywhere, as ${HOME}/.npmrc does
			l.add(at(fn, "build_secrets", id), RuleFile, SeverityError, fmt.Sprintf("function %s: the file %q of build secret %s does not exist", fn.Name, path, id),
				"create it or correct the path, which starts from the working directory")
		}
	}
	if info, err := l.stat(".secrets"); err != nil || !info.IsDir() {
		return
	}
	for i, name := range fn.Secrets {
		if _, err := l.stat(filepath.Join(".secrets", name)); err != nil {
			l.add(fn.item("secrets", i), RuleSecret, SeverityWarning, fmt.Sprintf("function %s: the secret %q has no file in .secrets", fn.Name, name),
				"local-run needs .secrets/"+name)
		}
	}
}

// item is where an entry of a list stands.
func (fn *Function) item(key string, i int) Position {
	list := child(fn.node, key)
	if list == nil || i >= len(list.Content) {
		return fn.Position(key)
	}
	return fn.file.position(list.Content[i])
}
