package commands

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/term"
)

// TestDocs runs the examples of docs/stack.md: a block "yaml FILE" is a file, a
// console block commands with their output. "|| true" marks one that fails.
func TestDocs(t *testing.T) {
	t.Parallel()
	const page = "../docs/stack.md"
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "docs_stack.txtar")
	if err := os.WriteFile(script, []byte(docScript(string(data))), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{script}, RequireExplicitExec: true, Setup: setupScript, Cmds: scriptCommands(),
	})
}

// TestTemplateDocs types what docs/templates.md tells the author of a template,
// from nothing to the use in another project.
func TestTemplateDocs(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(data), "\n## Writing templates\n")
	section, _, _ = strings.Cut(section, "\n### ")
	var typed strings.Builder
	for line := range strings.Lines(section) {
		if command, is := strings.CutPrefix(line, "    "); is {
			typed.WriteString(command)
		}
	}
	script := filepath.Join(t.TempDir(), "docs_templates.txtar")
	text := "[!unix] skip\n[!exec:python3] skip\nexec sh -ex typed.sh\n" +
		"exists project/hello/handler.py project/hello.yml project/template.lock templates/README.md\n" +
		"-- typed.sh --\n" + typed.String()
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{script}, RequireExplicitExec: true, Cmds: scriptCommands(),
		Setup: func(env *testscript.Env) error {
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "t")
				env.Setenv("GIT_"+who+"_EMAIL", "t@example.com")
			}
			return setupScript(env)
		},
	})
}

// docScript turns a page into a script.
func docScript(page string) string {
	var commands, files strings.Builder
	outputs := 0
	for i, block := range strings.Split(page, "```") {
		if i%2 == 0 {
			continue
		}
		info, body, _ := strings.Cut(block, "\n")
		kind, name, _ := strings.Cut(info, " ")
		switch {
		case kind == "console":
			for example := range strings.SplitSeq("\n"+body, "\n$ ") {
				command, output, _ := strings.Cut(example, "\n")
				if command == "" {
					continue
				}
				command, fails := strings.CutSuffix(command, " || true")
				if fails {
					commands.WriteString("! ")
				}
				outputs++
				fmt.Fprintf(&commands, "exec %s\ncmp stdout want%d\n", command, outputs)
				fmt.Fprintf(&files, "-- want%d --\n%s\n", outputs, strings.TrimRight(output, "\n"))
			}
		case name != "":
			fmt.Fprintf(&files, "-- %s --\n%s", name, body)
		}
	}
	return commands.String() + files.String()
}

// TestDocsAreCommandLines holds that each command line in a code block of the
// README and of docs can be typed: command, flags and arguments exist.
func TestDocsAreCommandLines(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	env := &Env{Term: term.Test(strings.NewReader(""), io.Discard, io.Discard)}
	seen := 0
	for _, page := range append(pages, "../README.md") {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range codeLines(string(data)) {
			for _, words := range calls(line) {
				seen++
				if err := parses(env, followFlag(words)); err != nil {
					t.Errorf("%s: faas-cli %q: %v", page, words, err)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// codeLines returns the lines of a page's code blocks, fenced or indented, as
// a shell would read them: less comments and prompts, continued lines joined.
func codeLines(page string) []string {
	var lines []string
	fenced := false
	for line := range strings.Lines(strings.ReplaceAll(page, "\\\n", " ")) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if code, indented := strings.CutPrefix(line, "    "); fenced || indented {
			code, _, _ = strings.Cut(strings.TrimPrefix(code, "$ "), " #")
			lines = append(lines, code)
		}
	}
	return lines
}
