package templates

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

// The severities. An error keeps a template from working or is a danger; a
// warning keeps it from working well or everywhere; a note is advice.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note"
)

// A Finding is one thing that lint has to say about a template.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Template string   `json:"template"`
	File     string   `json:"file,omitempty"` // in the template, slash-separated
	Line     int      `json:"line,omitempty"` // from 1; 0: the file as a whole
	Message  string   `json:"message"`
}

// A Rule is what lint looks for.
type Rule struct {
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Advice   string   `json:"advice"` // what to do about it
}

// The names of the rules.
const (
	ruleConfig      = "template-yml"
	ruleKeys        = "template-yml-keys"
	ruleOptions     = "build-options"
	ruleHandler     = "handler-folder"
	ruleDockerfile  = "dockerfile"
	ruleServer      = "http-server"
	ruleUser        = "non-root"
	ruleHealth      = "healthcheck"
	rulePackages    = "additional-package"
	rulePlatform    = "platform"
	ruleBase        = "base-image"
	ruleCopy        = "copy-handler"
	ruleLayers      = "layer-cache"
	ruleSecrets     = "secrets"
	ruleLinks       = "links"
	ruleSize        = "size"
	ruleNames       = "portable-names"
	ruleLocal       = "local-block"
	ruleTestMissing = "test"
)

// Rules lists all rules, by name.
func Rules() []Rule {
	rules := []Rule{
		{ruleConfig, SeverityError, "template.yml is there and parses", "every template needs a template.yml; an empty one will do"},
		{ruleKeys, SeverityWarning, "template.yml has only keys that mean something", "take the key out, or correct its spelling"},
		{ruleOptions, SeverityWarning, "build_options have a name of their own and packages", "give each option a name and at least one package"},
		{ruleHandler, SeverityError, "the handler folder is there, with a starter handler", "create the folder that handler_folder names, \"function\" if it names none"},
		{ruleDockerfile, SeverityError, "there is a Dockerfile that BuildKit can parse", "correct the Dockerfile"},
		{ruleServer, SeverityWarning, "the image serves HTTP on port 8080", "start the of-watchdog (fwatchdog), or a server of your own on 8080 and say EXPOSE 8080"},
		{ruleUser, SeverityWarning, "the image does not run as root", "add a user and a USER instruction to the last stage"},
		{ruleHealth, SeverityNote, "an image with the watchdog has a HEALTHCHECK", "HEALTHCHECK --interval=3s CMD [ -e /tmp/.lock ] || exit 1"},
		{rulePackages, SeverityError, "a template with build_options installs ADDITIONAL_PACKAGE", "declare ARG ADDITIONAL_PACKAGE and give it to the package manager"},
		{rulePlatform, SeverityWarning, "stages are built for the platform that is asked for", "--platform=${TARGETPLATFORM:-linux/amd64} for what runs, ${BUILDPLATFORM:-linux/amd64} for what compiles"},
		{ruleBase, SeverityWarning, "base images are pinned, or a comment above FROM says why not", "give the image a version tag or a digest"},
		{ruleCopy, SeverityWarning, "the Dockerfile copies the handler folder", "COPY the folder that template.yml names"},
		{ruleLayers, SeverityNote, "dependencies are installed before the handler is copied", "COPY the file that names the dependencies first, install them, then COPY the rest of the handler"},
		{ruleSecrets, SeverityError, "no secret is in ENV or ARG", "use RUN --mount=type=secret: ENV and ARG stay in the image"},
		{ruleLinks, SeverityError, "links stay inside the template and point at something", "use relative links to files of the template"},
		{ruleSize, SeverityWarning, "the template is small", "fetch what is large in the Dockerfile"},
		{ruleNames, SeverityError, "file names work on every system", "rename the file"},
		{ruleLocal, SeverityError, "the local block can be understood", "docs/templates.md describes it"},
		{ruleTestMissing, SeverityNote, "there is a test.yml for template test", "write down a request and the answer that it should get"},
	}
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Compare(a.Name, b.Name) })
	return rules
}

// dockerfileLang is the language whose functions bring their own Dockerfile; its
// template has none.
const dockerfileLang = "dockerfile"

// Lint checks the template in fsys. name is that of its folder. Findings are
// sorted by file and line; those that a "# lint: ignore RULE" comment in the
// line or the one above names are left out, and such a comment at the top of
// template.yml is for the whole template.
func Lint(name string, fsys fs.FS) []Finding {
	l := &linter{template: name, fsys: fsys, severities: map[string]Severity{}, lines: map[string][]string{}}
	for _, r := range Rules() {
		l.severities[r.Name] = r.Severity
	}
	l.lintFiles()
	l.lintConfig()
	if !strings.EqualFold(name, dockerfileLang) {
		l.lintDockerfile()
	}
	l.found = slices.DeleteFunc(l.found, l.ignored)
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule))
	})
	return l.found
}

// linter is the state of one Lint.
type linter struct {
	template   string
	fsys       fs.FS
	severities map[string]Severity
	found      []Finding

	config  config              // what template.yml says, as far as it can be read
	handler string              // the handler folder, clean
	lines   map[string][]string // text of the files that comments may be in
}

// report adds a finding with the rule's own severity.
func (l *linter) report(rule, file string, line int, format string, args ...any) {
	l.reportAs(l.severities[rule], rule, file, line, format, args...)
}

func (l *linter) reportAs(s Severity, rule, file string, line int, format string, args ...any) {
	l.found = append(l.found, Finding{Rule: rule, Severity: s, Template: l.template, File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// text reads a file and keeps its lines for the comments in it.
func (l *linter) text(name string) ([]byte, error) {
	data, err := readBounded(l.fsys, name, maxConfig)
	if err == nil {
		l.lines[name] = strings.Split(string(data), "\n")
	}
	return data, err
}

// ignoreMark begins a comment that silences rules.
const ignoreMark = "lint: ignore "

// ignored says whether a comment silences the finding.
func (l *linter) ignored(f Finding) bool {
	for _, line := range l.lines[ConfigFile] { // the comments at the top are for all
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			break
		}
		if silences(line, f.Rule) {
			return true
		}
	}
	lines := l.lines[f.File]
	for _, n := range []int{f.Line - 1, f.Line - 2} { // the line itself and the one above, from 0
		if n < 0 || n >= len(lines) {
			continue
		}
		comment := strings.HasPrefix(strings.TrimSpace(lines[n]), "#")
		if (n == f.Line-1 || comment) && silences(lines[n], f.Rule) {
			return true
		}
	}
	return false
}

func silences(line, rule string) bool {
	_, comment, ok := strings.Cut(line, "#")
	if !ok {
		return false
	}
	_, rules, ok := strings.Cut(comment, ignoreMark)
	if !ok {
		return false
	}
	for r := range strings.FieldsFuncSeq(rules, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\r' }) {
		if r == rule {
			return true
		}
	}
	return false
}
