package builder

import (
	"errors"
	"strings"
	"testing"
)

func TestRequirementsIncludeOtherFiles(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{
		"fn/handler.py":       "",
		"fn/requirements.txt": "a==1 # why\n-r more/base.txt\nc @ https://example.com/c.whl\n--index-url https://example.com/simple\n",
		"fn/more/base.txt":    "# base\nb>=2 ; python_version > '3'\n--requirement=other.txt",
		"fn/more/other.txt":   "d[extra]",
	})
	c := p.embedded(t, "python3-http")
	content, err := requirements(c.tree, c.handler)
	want := "a==1 # why\n# base\nb>=2 ; python_version > '3'\nd[extra]\nc @ https://example.com/c.whl\n--index-url https://example.com/simple\n"
	if err != nil || !strings.HasSuffix(string(content), want) {
		t.Errorf("requirements = %q, %v; want %q at the end", content, err, want)
	}
}

func TestRequirementsByPathAreRefused(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	for line, named := range map[string]string{
		"./pkg":                        "fn/requirements.txt:2: ./pkg",
		"-e ../pkg":                    "fn/requirements.txt:2: ../pkg",
		"-c constraints.txt":           "fn/requirements.txt:2: constraints.txt",
		"--find-links=wheels":          "fn/requirements.txt:2: wheels",
		"dep-1-py3-none-any.whl":       "fn/requirements.txt:2: dep-1-py3-none-any.whl",
		"x @ file:./x ; os_name=='nt'": "fn/requirements.txt:2: x @ file:./x",
	} {
		p := newProject(t, map[string]string{"fn/handler.py": "", "fn/requirements.txt": "a\n" + line + "\n"})
		err := n.CheckRequest(Request{Context: p.embedded(t, "python3-http")})
		var unsupported *UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: error = %v, want %s named", line, err, named)
		}
	}
}

func TestRequirementsThatIncludeThemselves(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	for name, files := range map[string]map[string]string{
		"includes itself":  {"fn/requirements.txt": "-r a.txt", "fn/a.txt": "-r ./requirements.txt"},
		"which is no file": {"fn/requirements.txt": "-r ../../gone.txt"},
	} {
		files["fn/handler.py"] = ""
		err := n.CheckRequest(Request{Context: newProject(t, files).embedded(t, "python3-http")})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error = %v, want %q", err, name)
		}
	}
}
