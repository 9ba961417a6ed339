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

const edited = `version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080 # local
x-env: &env {A: "1"}

# first
functions:
  # about one
  one:
    image: "acme/one:1" # the image
    handler: ./one
    environment: *env
    labels: {a: b}

    secrets:
      - s1 # first
      - s2

  two: {image: acme/two, labels: {x: y}}
  three:
    annotations:
      text: |
        # not a comment

        end
    limits:

# last
configuration:
  copy: [x]
`

// changed checks that got is text with old replaced by replacement.
func changed(t *testing.T, text, old, replacement, got string, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		return
	}
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not in the text once", old)
	}
	if want := strings.Replace(text, old, replacement, 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	for key, tt := range map[string]struct{ value, old, replacement string }{
		"functions.one.image":                         {"acme/one:2", `"acme/one:1"`, `"acme/one:2"`},
		"functions.two.image":                         {"${REG}/two", "acme/two", `"${REG}/two"`},
		"functions.one.handler":                       {"./uno", "./one\n", "./uno\n"},
		"functions.one.lang":                          {"go", "      - s2\n", "      - s2\n    lang: go\n"},
		"functions.two.lang":                          {"go", "{x: y}}", "{x: y}, lang: go}"},
		"functions.one.labels.com.openfaas.scale.min": {"2", "{a: b}", `{a: b, com.openfaas.scale.min: "2"}`},
		"functions.one.labels.a":                      {"c", "{a: b}", "{a: c}"},
		"functions.one.annotations.topic":             {"cron-function", "      - s2\n", "      - s2\n    annotations:\n      topic: cron-function\n"},
		"functions.one.secrets":                       {"s3,s4", "secrets:\n      - s1 # first\n      - s2\n", "secrets:\n      - s3\n      - s4\n"},
		"functions.three.annotations.text":            {"short", "text: |\n        # not a comment\n\n        end\n", "text: short\n"},
		"functions.three.annotations.schedule":        {"* * * * *", "        end\n", "        end\n      schedule: \"* * * * *\"\n"},
		"functions.three.limits.memory":               {"64Mi", "    limits:\n", "    limits:\n      memory: 64Mi\n"},
		"functions.three.limits.cpu":                  {"1", "    limits:\n", "    limits:\n      cpu: 1\n"},
		"functions.three.readonly_root_filesystem":    {"true", "    limits:\n", "    limits:\n    readonly_root_filesystem: true\n"},
		"functions.three.environment.PRICE":           {"5$$ \\x", "    limits:\n", "    limits:\n    environment:\n      PRICE: 5$$ \\x\n"},
		"provider.gateway":                            {"https://gw", "http://127.0.0.1:8080", "https://gw"},
		"configuration.copy":                          {"[x, ./y]", "[x]", "[x, ./y]"},
	} {
		got, err := Set("s.yml", []byte(edited), key, tt.value)
		t.Log(key)
		changed(t, edited, tt.old, tt.replacement, string(got), err)
	}
	for key, tt := range map[string]struct{ value, want string }{
		"functions.one.environment.B": {"x", "s.yml:13:18: cannot be edited safely: functions.one.environment is an alias"},
		"functions.four.image":        {"x", "has no function"},
		"functions.one.imgae":         {"x", `did you mean "image"`},
		"functions.one.skip_build":    {"maybe", "want true or false"},
		"functions.one.labels":        {"x", "want the key of an entry"},
		"functions.one":               {"x", "want functions.NAME.KEY"},
		"version":                     {"2.0", "version must be 1.0"},
		"provider.name":               {"faas", "must be openfaas"},
		"functions.one.handler.x":     {"x", "has no keys below it"},
		"functions.one.fprocess":      {"${", "the value cannot be written"},
	} {
		if got, err := Set("s.yml", []byte(edited), key, tt.value); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s\n%s", key, err, tt.want, got)
		}
	}
}

// TestSetLists has lists and anchors, of which what stays keeps its line.
func TestSetLists(t *testing.T) {
	t.Parallel()
	const text = `functions:
  a:
    image: &image acme/a:1 # its anchor is not used
    secrets: # all
    - a # one
    # of b
    - b
    constraints: [x]
    fprocess: &run "cat"
    namespace: *run
`
	for key, tt := range map[string]struct{ value, old, replacement string }{
		"functions.a.image":       {"acme/a:2", "acme/a:1", "acme/a:2"},
		"functions.a.secrets":     {"a,c,b", "    # of b\n", "    - c\n    # of b\n"},
		"functions.a.constraints": {"x,z", "[x]", "[x, z]"},
	} {
		got, err := Set("s.yml", []byte(text), key, tt.value)
		changed(t, text, tt.old, tt.replacement, string(got), err)
	}
	got, err := Set("s.yml", []byte(text), "functions.a.secrets", "b")
	changed(t, text, "    - a # one\n", "", string(got), err)
	_, err = Set("s.yml", []byte(text), "functions.a.fprocess", "x")
	if want := `s.yml:9:15: cannot be edited safely: its anchor "run" is used elsewhere`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRenameFunction(t *testing.T) {
	t.Parallel()
	got, err := RenameFunction("s.yml", []byte(edited), "two", "dos")
	changed(t, edited, "  two: {", "  dos: {", string(got), err)
	const quotedName = "functions: {\"one\": {}, ${NAME:-two}: {}}\n"
	got, err = RenameFunction("s.yml", []byte(quotedName), "one", "uno")
	changed(t, quotedName, `"one"`, `"uno"`, string(got), err)
	got, err = RenameFunction("s.yml", []byte(quotedName), "${NAME:-two}", "dos")
	changed(t, quotedName, "${NAME:-two}", "dos", string(got), err)
	for _, pair := range [][2]string{{"four", "x"}, {"one", "two"}, {"one", "Bad"}} {
		if _, err := RenameFunction("s.yml", []byte(edited), pair[0], pair[1]); err == nil {
			t.Errorf("%v: no error", pair)
		}
	}
}

func TestRemoveFunction(t *testing.T) {
	t.Parallel()
	got, err := RemoveFunction("s.yml", []byte(edited), "two")
	changed(t, edited, "  two: {image: acme/two, labels: {x: y}}\n", "", string(got), err)
	got, err = RemoveFunction("s.yml", []byte(edited), "three")
	changed(t, edited, "  three:\n    annotations:\n      text: |\n        # not a comment\n\n        end\n    limits:\n", "", string(got), err)
	for text, want := range map[string]string{
		"functions: # all\n  one: {}\nx-a: 1\n":                   "functions: {} # all\nx-a: 1\n",
		"functions:\n  one:\n    image: a\n":                      "functions: {}\n",
		"functions:\n  one:\n    image: a\n  # of two\n  two: {}": "functions:\n  # of two\n  two: {}",
		"functions: {one: {image: a}, two: {}}\n":                 "functions: {two: {}}\n",
		"functions: {two: {}, one: {image: a}}\n":                 "functions: {two: {}}\n",
		"functions: {two: {}, one: {image: a},}\n":                "functions: {two: {}}\n",
		"functions: {one: {image: a}}\n":                          "functions: {}\n",
		"functions:\r\n  two: {}\r\n  one:\r\n    image: a":       "functions:\r\n  two: {}\r\n",
	} {
		got, err := RemoveFunction("s.yml", []byte(text), "one")
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	var unsafe *EditError
	if _, err := RemoveFunction("s.yml", []byte("functions:\n  one: &o {image: a}\n  two: *o\n"), "one"); !errors.As(err, &unsafe) || !strings.Contains(err.Error(), `anchor "o" is used`) {
		t.Errorf("an anchor in use: %v", err)
	}
	if _, err := RemoveFunction("s.yml", []byte(edited), "four"); !errors.Is(err, ErrNoFunction) {
		t.Errorf("no such function: %v", err)
	}
}
