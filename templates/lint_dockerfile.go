package templates

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerFile is the name of a template's Dockerfile.
const dockerFile = "Dockerfile"

// instruction is one line of a Dockerfile.
type instruction struct {
	name    string   // lower case
	args    []string // for ENV and ARG: KEY=VALUE
	flags   []string // "--platform=…"
	line    int
	comment bool // a comment stands right above
}

// stage is a FROM and what follows.
type stage struct {
	from  instruction
	image string
	as    string
	steps []instruction
}

// dockerfile is what lint knows of a Dockerfile.
type dockerfile struct {
	global []instruction // ARGs above the first FROM
	stages []stage
}

// lintDockerfile parses the Dockerfile and applies the rules about it.
func (l *linter) lintDockerfile() {
	data, err := l.text(dockerFile)
	if err != nil {
		l.report(ruleDockerfile, dockerFile, 0, "it cannot be read: %s", plainPath(err))
		return
	}
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		line := 0
		if located := (*parser.LocationError)(nil); errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
			line = located.Locations[0][0].Start.Line
		}
		l.report(ruleDockerfile, dockerFile, line, "%s", err)
		return
	}
	d := readDockerfile(result.AST)
	if len(d.stages) == 0 {
		l.report(ruleDockerfile, dockerFile, 0, "it has no FROM")
		return
	}
	l.lintServer(d)
	l.lintUser(d)
	l.lintPackages(d)
	l.lintStages(d)
	l.lintCopy(d)
	l.lintSecrets(d)
}

func readDockerfile(ast *parser.Node) dockerfile {
	var d dockerfile
	for _, n := range ast.Children {
		in := instruction{name: strings.ToLower(n.Value), flags: n.Flags, line: n.StartLine, comment: len(n.PrevComment) > 0}
		for a := n.Next; a != nil; a = a.Next {
			in.args = append(in.args, a.Value)
		}
		if in.name == "env" || in.name == "label" {
			in.args = pairs(in.args)
		}
		switch {
		case in.name == "from" && len(in.args) > 0:
			s := stage{from: in, image: in.args[0]}
			if len(in.args) == 3 && strings.EqualFold(in.args[1], "as") {
				s.as = in.args[2]
			}
			d.stages = append(d.stages, s)
		case len(d.stages) == 0:
			d.global = append(d.global, in)
		default:
			last := &d.stages[len(d.stages)-1]
			last.steps = append(last.steps, in)
		}
	}
	return d
}

// pairs makes KEY=VALUE of what the parser gives for ENV: key, value and
// separator in turn.
func pairs(args []string) []string {
	var out []string
	for i := 0; i+1 < len(args); i += 3 {
		out = append(out, args[i]+"="+args[i+1])
	}
	return out
}

func (d dockerfile) last() stage { return d.stages[len(d.stages)-1] }

// all lists the instructions of all stages.
func (d dockerfile) all() []instruction {
	all := slices.Clone(d.global)
	for _, s := range d.stages {
		all = append(all, s.steps...)
	}
	return all
}

// runtime lists the instructions of the last stage and of those it is built
// FROM, the outermost first.
func (d dockerfile) runtime() []instruction {
	var steps []instruction
	name := d.last().image
	steps = d.last().steps
	for i := len(d.stages) - 2; i >= 0; i-- {
		if s := d.stages[i]; s.as != "" && strings.EqualFold(s.as, name) {
			steps = append(slices.Clone(s.steps), steps...)
			name = s.image
		}
	}
	return steps
}

// lastOf returns the last instruction of a name.
func lastOf(steps []instruction, name string) (instruction, bool) {
	for _, in := range slices.Backward(steps) {
		if in.name == name {
			return in, true
		}
	}
	return instruction{}, false
}

func (in instruction) text() string { return strings.Join(in.args, " ") }

// lintServer wants a watchdog, or a port that is said to be 8080.
func (l *linter) lintServer(d dockerfile) {
	steps := d.runtime()
	start := ""
	for _, name := range []string{"entrypoint", "cmd"} {
		if in, ok := lastOf(steps, name); ok {
			start += " " + in.text()
		}
	}
	watchdog := strings.Contains(start, "fwatchdog")
	if start == "" {
		l.report(ruleServer, dockerFile, d.last().from.line, "the last stage has neither CMD nor ENTRYPOINT, so the base image decides what is started")
		return
	}
	if watchdog {
		if _, ok := lastOf(steps, "healthcheck"); !ok {
			l.report(ruleHealth, dockerFile, d.last().from.line, "the watchdog is started without a HEALTHCHECK")
		}
		return
	}
	for _, in := range steps {
		if in.name == "expose" && slices.ContainsFunc(in.args, func(a string) bool { return strings.TrimSuffix(a, "/tcp") == "8080" }) {
			return
		}
	}
	l.report(ruleServer, dockerFile, d.last().from.line, "it neither starts the watchdog nor says EXPOSE 8080; functions are called on port 8080")
}

func (l *linter) lintUser(d dockerfile) {
	in, ok := lastOf(d.runtime(), "user")
	if !ok {
		if strings.Contains(d.last().image, "nonroot") {
			return // as the images of distroless say
		}
		l.report(ruleUser, dockerFile, d.last().from.line, "the last stage has no USER, so the function may run as root")
		return
	}
	user, _, _ := strings.Cut(in.text(), ":")
	if user == "root" || user == "0" {
		l.report(ruleUser, dockerFile, in.line, "USER %s: the function runs as root", in.text())
	}
}

// lintPackages wants packages of build options to reach a package manager.
func (l *linter) lintPackages(d dockerfile) {
	if len(l.config.BuildOptions) == 0 {
		return
	}
	const arg = "ADDITIONAL_PACKAGE"
	declared, used := 0, false
	for _, in := range d.all() {
		if in.name == "arg" && slices.ContainsFunc(in.args, func(a string) bool { k, _, _ := strings.Cut(a, "="); return k == arg }) {
			declared = in.line
		}
		if in.name == "run" && declared > 0 && strings.Contains(in.text(), arg) {
			used = true
		}
	}
	switch {
	case declared == 0:
		l.report(rulePackages, dockerFile, 0, "template.yml has build_options, but ARG %s is not declared, so they change nothing", arg)
	case !used:
		l.report(rulePackages, dockerFile, declared, "ARG %s is declared, but no RUN after it uses it, so build_options change nothing", arg)
	}
}

// lintStages looks at base images and platforms.
func (l *linter) lintStages(d dockerfile) {
	args := map[string]string{}
	for _, in := range d.global {
		if in.name != "arg" {
			continue
		}
		for _, a := range in.args {
			if k, v, ok := strings.Cut(a, "="); ok {
				args[k] = strings.Trim(v, `"'`)
			}
		}
	}
	names := []string{"scratch"}
	for i, s := range d.stages {
		image := expand(s.image, args)
		if !slices.Contains(names, strings.ToLower(image)) && !s.from.comment && !pinned(image) {
			l.report(ruleBase, dockerFile, s.from.line, "the base image %s has no version: what is built changes by itself", s.image)
		}
		if s.as != "" {
			names = append(names, strings.ToLower(s.as))
		}
		for _, f := range s.from.flags {
			value, ok := strings.CutPrefix(f, "--platform=")
			switch {
			case !ok:
			case !strings.Contains(value, "$"):
				l.report(rulePlatform, dockerFile, s.from.line, "--platform=%s is fixed, so images for other platforms cannot be built", value)
			case i == len(d.stages)-1 && strings.Contains(value, "BUILDPLATFORM"):
				l.report(rulePlatform, dockerFile, s.from.line, "the last stage is for the platform that builds, not for the one that runs it")
			}
		}
	}
}

// expand replaces ${NAME}, $NAME and ${NAME:-default} by the defaults known.
func expand(s string, args map[string]string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "$")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		var name string
		if inner, after, braced := strings.Cut(strings.TrimPrefix(rest, "{"), "}"); braced && strings.HasPrefix(rest, "{") {
			name, s = inner, after
		} else {
			end := strings.IndexFunc(rest, func(r rune) bool { return !isAlphanumeric(r) && r != '_' })
			if end < 0 {
				end = len(rest)
			}
			name, s = rest[:end], rest[end:]
		}
		name, fallback, _ := strings.Cut(name, ":-")
		if v, ok := args[name]; ok && v != "" {
			fallback = v
		}
		b.WriteString(fallback)
	}
}

// pinned says whether an image has a tag that stands for a version, or a
// digest.
func pinned(image string) bool {
	if strings.Contains(image, "@sha256:") {
		return true
	}
	_, tag, ok := strings.Cut(path.Base(image), ":")
	return ok && tag != "" && tag != "latest"
}

// lintCopy wants the handler to be copied, and its dependencies before it.
func (l *linter) lintCopy(d dockerfile) {
	copied := false
	for _, s := range d.stages {
		whole, manifest := 0, false
		for _, in := range s.steps {
			switch {
			case in.name == "copy" || in.name == "add":
				if slices.ContainsFunc(in.flags, func(f string) bool { return strings.HasPrefix(f, "--from=") }) {
					continue
				}
				switch l.copies(in) {
				case copiesHandler:
					whole, copied = in.line, true
				case copiesPart:
					manifest = true
				}
			case in.name == "run" && whole > 0 && !manifest && installs(in.text()):
				l.report(ruleLayers, dockerFile, in.line, "dependencies are installed after the handler is copied in line %d, so every edit installs them again", whole)
				whole = 0 // once is enough
			}
		}
	}
	if !copied {
		l.report(ruleCopy, dockerFile, 0, "no COPY takes the handler folder %q", l.handler)
	}
}

// What a COPY takes of the handler.
const (
	copiesNothing = iota
	copiesPart
	copiesHandler
)

func (l *linter) copies(in instruction) int {
	what := copiesNothing
	for _, src := range in.args[:max(len(in.args)-1, 0)] {
		src = path.Clean(strings.TrimPrefix(src, "/"))
		switch {
		case src == ".", src == l.handler, strings.HasPrefix(l.handler, src+"/"):
			return copiesHandler
		case strings.HasPrefix(src, l.handler+"/") && path.Base(src) == "*":
			return copiesHandler
		case strings.HasPrefix(src, l.handler+"/"), strings.Contains(src, "package"), strings.Contains(src, "requirements"), strings.Contains(src, "go.mod"):
			what = copiesPart
		}
	}
	return what
}

// installs says whether a command installs what a handler depends on.
func installs(command string) bool {
	return slices.ContainsFunc([]string{
		"pip install", "pip3 install", "npm install", "npm i ", "npm ci", "yarn install", "pnpm install", "bun install",
		"go mod download", "bundle install", "composer install", "cargo fetch", "dotnet restore", "mvn dependency", "cpanm",
	}, func(tool string) bool { return strings.Contains(command+" ", tool) })
}

// lintSecrets looks for values that should not be in an image.
func (l *linter) lintSecrets(d dockerfile) {
	for _, in := range d.all() {
		if in.name != "env" && in.name != "arg" {
			continue
		}
		for _, a := range in.args {
			key, value, hasValue := strings.Cut(a, "=")
			if !secretName(key) {
				continue
			}
			switch {
			case hasValue && value != "" && !strings.HasPrefix(value, "/"): // a path is where a secret is, not the secret
				l.report(ruleSecrets, dockerFile, in.line, "%s %s has a value, which everybody with the image can read", strings.ToUpper(in.name), key)
			case in.name == "arg":
				l.reportAs(SeverityWarning, ruleSecrets, dockerFile, in.line, "ARG %s: the value of a build argument stays in the image's history", key)
			}
		}
	}
}

func secretName(key string) bool {
	key = strings.ToUpper(key)
	return slices.ContainsFunc([]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL"},
		func(word string) bool { return strings.Contains(key, word) })
}
