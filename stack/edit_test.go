package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
)

func TestAddFunction(t *testing.T) {
	t.Parallel()
	const head = "version: 1.0\nprovider:\n  name: openfaas\n# keep me\n"
	const block = "  two:\n    lang: tpl\n    handler: ./two\n    image: acme/two:latest\n"
	for name, tt := range map[string]struct{ before, after string }{
		"at the end":           {head + "functions:\n  one:\n    image: a # here\n", head + "functions:\n  one:\n    image: a # here\n" + block},
		"before blank lines":   {head + "functions:\n  one:\n    image: a\n\n", head + "functions:\n  one:\n    image: a\n" + block + "\n"},
		"no final newline":     {head + "functions:\n  one:\n    image: a", head + "functions:\n  one:\n    image: a\n" + strings.TrimSuffix(block, "\n")},
		"before configuration": {head + "functions:\n  one:\n    image: a\n\n# about copies\nconfiguration:\n  copy: [x]\n", head + "functions:\n  one:\n    image: a\n" + block + "\n# about copies\nconfiguration:\n  copy: [x]\n"},
		"after a commented one": {head + "functions:\n  one:\n    image: a\n  # old:\n  #   image: b\n\n# end\n",
			head + "functions:\n  one:\n    image: a\n  # old:\n  #   image: b\n" + block + "\n# end\n"},
		"wider indentation": {head + "functions:\n    one:\n        image: a\n",
			head + "functions:\n    one:\n        image: a\n" + "    two:\n        lang: tpl\n        handler: ./two\n        image: acme/two:latest\n"},
		"line ends of Windows":  {"provider:\r\n  name: openfaas\r\nfunctions:\r\n  one:\r\n    image: a\r\n", "provider:\r\n  name: openfaas\r\nfunctions:\r\n  one:\r\n    image: a\r\n" + strings.ReplaceAll(block, "\n", "\r\n")},
		"no functions yet":      {head, head + "functions:\n" + block},
		"empty functions":       {head + "functions: # none\nx-a: 1\n", head + "functions: # none\n" + block + "x-a: 1\n"},
		"empty braces":          {head + "functions: {}\nx-a: 1\n", head + "functions:\n" + block + "x-a: 1\n"},
		"braces and a comment":  {head + "functions: {} # none\n", head + "functions:  # none\n" + block},
		"null":                  {head + "functions: ~\n", head + "functions:\n" + block},
		"flow style":            {head + "functions: {one: {image: a}}\n", head + "functions: {one: {image: a}, two: {lang: tpl, handler: ./two, image: acme/two:latest}}\n"},
		"flow with variables":   {head + "functions: {one: {image: \"${A:-}}\", secrets: [${B}]}} # }\n", head + "functions: {one: {image: \"${A:-}}\", secrets: [${B}]}, two: {lang: tpl, handler: ./two, image: acme/two:latest}} # }\n"},
		"flow over lines":       {head + "functions: {\n  one: {image: a}, # }\n  }\n", head + "functions: {\n  one: {image: a}, two: {lang: tpl, handler: ./two, image: acme/two:latest} # }\n  }\n"},
		"JSON":                  {`{"provider": {"name": "openfaas"}, "functions": {"one": {"image": "}"}}}`, `{"provider": {"name": "openfaas"}, "functions": {"one": {"image": "}"}, "two": {"lang": "tpl", "handler": "./two", "image": "acme/two:latest"}}}`},
		"JSON without any":      {`{"provider": {"name": "openfaas"}}`, `{"provider": {"name": "openfaas"}, "functions": {"two": {"lang": "tpl", "handler": "./two", "image": "acme/two:latest"}}}`},
		"a block scalar":        {head + "functions:\n  one:\n    environment:\n      A: |\n        # text\n\n        more\n\n\nx-a: 1\n", head + "functions:\n  one:\n    environment:\n      A: |\n        # text\n\n        more\n" + block + "\n\nx-a: 1\n"},
		"a block that keeps":    {head + "functions:\n  one:\n    environment:\n      A: |+\n        more\n\n\nx-a: 1\n", head + "functions:\n  one:\n    environment:\n      A: |+\n        more\n\n\n" + block + "x-a: 1\n"},
		"another document":      {head + "functions:\n  one:\n    image: a\n---\nfunctions: {}\n", head + "functions:\n  one:\n    image: a\n" + block + "---\nfunctions: {}\n"},
		"anchors":               {head + "x-b: &b {lang: q}\nfunctions: &all\n  one:\n    <<: *b\n", head + "x-b: &b {lang: q}\nfunctions: &all\n  one:\n    <<: *b\n" + block},
		"malformed in comments": {head + "functions:\n  one:\n    image: a # ${\n", head + "functions:\n  one:\n    image: a # ${\n" + block},
		"byte order mark":       {"\ufeff" + head + "functions: {}\n", "\ufeff" + head + "functions:\n" + block},
		"variables, long lines": {head + "functions:\n  one:\n    image: ${A:-x\n   y}\nx-a: 1\n", head + "functions:\n  one:\n    image: ${A:-x\n   y}\n" + block + "x-a: 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := AddFunction("s.yml", []byte(tt.before), "two",
				schema.Function{Language: "tpl", Handler: "./two", Image: "acme/two:latest"})
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.after {
				t.Errorf("got\n%s\nwant\n%s", got, tt.after)
			}
		})
	}
}

func TestAddFunctionRefuses(t *testing.T) {
	t.Parallel()
	fn := schema.Function{Image: "x"}
	if _, err := AddFunction("s.yml", []byte("functions:\n  two: {}\n"), "two", fn); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a name that exists: %v", err)
	}
	var unsafe *EditError
	if _, err := AddFunction("s.yml", []byte("x-f: &f {a: {}}\nfunctions: *f\n"), "two", fn); !errors.As(err, &unsafe) {
		t.Errorf("functions is an alias: %v", err)
	}
	var syntax *SyntaxError
	if _, err := AddFunction("s.yml", []byte("functions: [\n"), "two", fn); !errors.As(err, &syntax) {
		t.Errorf("no YAML: %v", err)
	}
	if _, err := AddFunction("s.yml", []byte(""), "../x", fn); err == nil {
		t.Error("a bad name is accepted")
	}
}

func TestNewFile(t *testing.T) {
	t.Parallel()
	got := string(NewFile("http://127.0.0.1:8080", "fa", schema.Function{
		Language: "tpl", Handler: "./fa", Image: "ghcr.io/acme/fa:latest",
		Requests: &schema.StackResources{CPU: "3m"}, Limits: &schema.StackResources{Memory: "2Mi", CPU: "1"},
	}))
	const want = "version: 1.0\nprovider:\n  name: openfaas\n  gateway: http://127.0.0.1:8080\nfunctions:\n  fa:\n    lang: tpl\n    handler: ./fa\n    image: ghcr.io/acme/fa:latest\n    requests:\n      cpu: 3m\n    limits:\n      cpu: 1\n      memory: 2Mi\n\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
