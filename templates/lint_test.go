package templates

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const goodDockerfile = `FROM --platform=${TARGETPLATFORM:-linux/amd64} ghcr.io/openfaas/of-watchdog:0.11.3 AS watchdog
FROM --platform=${TARGETPLATFORM:-linux/amd64} python:3.12-alpine
ARG ADDITIONAL_PACKAGE
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
RUN apk add --no-cache ${ADDITIONAL_PACKAGE} && adduser -D app
COPY function/requirements.txt function/
RUN pip install -r function/requirements.txt
COPY function/ function/
USER app
HEALTHCHECK --interval=3s CMD [ -e /tmp/.lock ] || exit 1
CMD ["fwatchdog"]
`

const goodConfig = `language: python
fprocess: python index.py
build_options:
  - name: dev
    packages: [gcc]
`

// good is a template that lint has nothing to say about.
func good() map[string]string {
	return map[string]string{
		"template.yml": goodConfig, "Dockerfile": goodDockerfile, "function/handler.py": "x", "function/requirements.txt": "", "test.yml": "requests: [{}]",
	}
}

func lintFindings(files map[string]string) []string {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	var got []string
	for _, f := range Lint("tpl", fsys) {
		got = append(got, fmt.Sprintf("%s %s:%d", f.Rule, f.File, f.Line))
	}
	return got
}

func TestLintRules(t *testing.T) {
	t.Parallel()
	edit := func(file, old, now string) func(map[string]string) {
		return func(m map[string]string) {
			if !strings.Contains(m[file], old) {
				panic("no " + old)
			}
			m[file] = strings.Replace(m[file], old, now, 1)
		}
	}
	drop := func(names ...string) func(map[string]string) {
		return func(m map[string]string) {
			for _, n := range names {
				delete(m, n)
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(map[string]string)
		want   []string
	}{
		"a good template":       {func(map[string]string) {}, nil},
		"no template.yml":       {drop("template.yml"), []string{"template-yml template.yml:0"}},
		"template.yml not YAML": {func(m map[string]string) { m["template.yml"] = "a: [\n" }, []string{"template-yml template.yml:1"}},
		"unknown key":           {edit("template.yml", "fprocess", "fproces"), []string{"template-yml-keys template.yml:2"}},
		"unknown key below":     {edit("template.yml", "packages", "package"), []string{"build-options template.yml:3", "template-yml-keys template.yml:5"}},
		"handler missing":       {drop("function/handler.py", "function/requirements.txt"), []string{"handler-folder template.yml:0"}},
		"handler escapes":       {func(m map[string]string) { m["template.yml"] += "handler_folder: ../x\n" }, []string{"handler-folder template.yml:6"}},
		"no Dockerfile":         {drop("Dockerfile"), []string{"dockerfile Dockerfile:0"}},
		"Dockerfile not one":    {func(m map[string]string) { m["Dockerfile"] = "FROM a:1\nENV x\n" }, nil},
		"no server":             {edit("Dockerfile", `CMD ["fwatchdog"]`, `CMD ["python"]`), []string{"http-server Dockerfile:2"}},
		"server of its own":     {edit("Dockerfile", `CMD ["fwatchdog"]`, "EXPOSE 8080\nCMD [\"python\"]"), nil},
		"root by omission":      {edit("Dockerfile", "USER app\n", ""), []string{"non-root Dockerfile:2"}},
		"root by name":          {edit("Dockerfile", "USER app", "USER 0:0"), []string{"non-root Dockerfile:9"}},
		"no healthcheck":        {edit("Dockerfile", "HEALTHCHECK --interval=3s CMD [ -e /tmp/.lock ] || exit 1\n", ""), []string{"healthcheck Dockerfile:2"}},
		"packages not declared": {edit("Dockerfile", "ARG ADDITIONAL_PACKAGE\n", ""), []string{"additional-package Dockerfile:0"}},
		"packages not used":     {edit("Dockerfile", "${ADDITIONAL_PACKAGE} ", ""), []string{"additional-package Dockerfile:3"}},
		"platform fixed":        {edit("Dockerfile", "${TARGETPLATFORM:-linux/amd64} python", "linux/amd64 python"), []string{"platform Dockerfile:2"}},
		"platform of the build": {edit("Dockerfile", "${TARGETPLATFORM:-linux/amd64} python", "$BUILDPLATFORM python"), []string{"platform Dockerfile:2"}},
		"base not pinned":       {edit("Dockerfile", "python:3.12-alpine", "python"), []string{"base-image Dockerfile:2"}},
		"base latest":           {edit("Dockerfile", "python:3.12-alpine", "reg:5000/python:latest"), []string{"base-image Dockerfile:2"}},
		"base by argument": {func(m map[string]string) {
			m["Dockerfile"] = "ARG V=3.12\n" + strings.Replace(m["Dockerfile"], ":3.12-alpine", ":${V}-alpine", 1)
		}, nil},
		"base explained":      {edit("Dockerfile", "FROM --platform=${TARGETPLATFORM:-linux/amd64} python:3.12-alpine", "# follows the base on purpose\nFROM python"), nil},
		"handler not copied":  {edit("Dockerfile", "COPY function/ function/\n", ""), []string{"copy-handler Dockerfile:0"}},
		"copied as a whole":   {edit("Dockerfile", "COPY function/ function/", "COPY . ."), nil},
		"dependencies after":  {edit("Dockerfile", "COPY function/requirements.txt function/", "COPY function/ function/"), []string{"layer-cache Dockerfile:7"}},
		"secret in ENV":       {edit("Dockerfile", "USER app", "ENV DB_PASSWORD=hunter2\nUSER app"), []string{"secrets Dockerfile:9"}},
		"secret in ARG":       {edit("Dockerfile", "USER app", "ARG NPM_TOKEN\nUSER app"), []string{"secrets Dockerfile:9"}},
		"where a secret is":   {edit("Dockerfile", "USER app", "ENV DB_PASSWORD_FILE=/run/secrets/db\nUSER app"), nil},
		"large file":          {func(m map[string]string) { m["big"] = strings.Repeat("x", largeFile+1) }, []string{"size big:0"}},
		"same but for case":   {func(m map[string]string) { m["dockerfile"] = "" }, []string{"portable-names dockerfile:0"}},
		"reserved name":       {func(m map[string]string) { m["aux.py"] = "" }, []string{"portable-names aux.py:0"}},
		"no test":             {drop("test.yml"), []string{"test :0"}},
		"local of the future": {func(m map[string]string) { m["template.yml"] += "local: {version: 2, kind: go, entry: .}\n" }, []string{"local-block template.yml:6"}},
		"local without entry": {func(m map[string]string) { m["template.yml"] += "local: {version: 1, kind: go, entry: gone}\n" }, []string{"local-block template.yml:6", "local-block template.yml:6"}},
		"ignored above":       {edit("Dockerfile", "FROM --platform=${TARGETPLATFORM:-linux/amd64} python:3.12-alpine", "ARG X\n# lint: ignore base-image, platform\nFROM --platform=linux/amd64 python"), nil},
		"ignored in the line": {edit("template.yml", "fprocess: python index.py", "fproces: python # lint: ignore template-yml-keys"), nil},
		"ignored for all": {func(m map[string]string) {
			m["template.yml"] = "# lint: ignore test\n" + m["template.yml"]
			delete(m, "test.yml")
		}, nil},
		"another rule's comment": {edit("template.yml", "fprocess: python index.py", "fproces: python # lint: ignore test"), []string{"template-yml-keys template.yml:2"}},
	} {
		files := good()
		tt.change(files)
		got := lintFindings(files)
		if name == "Dockerfile not one" { // what BuildKit says of it is its own business
			if len(got) != 1 || !strings.HasPrefix(got[0], "dockerfile Dockerfile:") {
				t.Errorf("%s: %q", name, got)
			}
			continue
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestLintLinks(t *testing.T) {
	t.Parallel()
	files := good()
	files["out@"], files["function/in@"], files["dangling@"] = "../x", "../template.yml", "gone"
	root := project(t, files)
	var got []string
	for _, f := range Lint("tpl", root.FS()) {
		got = append(got, string(f.Severity)+" "+f.Rule+" "+f.File)
	}
	if want := []string{"warning links dangling", "error links out"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEmbeddedTemplatesPassLint(t *testing.T) {
	t.Parallel()
	for _, name := range Embedded() {
		tpl, err := OpenEmbedded(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range Lint(name, tpl.FS) {
			if f.Severity != SeverityNote {
				t.Errorf("%s: %s:%d: %s [%s]", name, f.File, f.Line, f.Message, f.Rule)
			}
		}
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	args := map[string]string{"V": "3.12", "E": ""}
	for s, want := range map[string]string{
		"python:${V}-alpine": "python:3.12-alpine", "a:$V": "a:3.12", "a:${X:-1}": "a:1", "a:${E:-2}": "a:2", "a$": "a", "a:${X}": "a:", "plain": "plain",
	} {
		if got := expand(s, args); got != want {
			t.Errorf("expand(%q) = %q, want %q", s, got, want)
		}
	}
}
