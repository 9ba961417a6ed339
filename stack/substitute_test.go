package stack

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/drone/envsubst"
)

// lookupIn makes a Lookup of a map.
func lookupIn(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

var tableVars = map[string]string{"FOO": "bar", "BB": "abba", "P": "x/y/z", "UP": "ABC", "EMPTY": ""}

// TestSubstitutionForms holds the table of forms and their results that files
// in use rely on.
func TestSubstitutionForms(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{
		`${FOO}`:       "bar",
		`${NOPE}`:      "",
		`${NOPE:-def}`: "def", `${EMPTY:-def}`: "def",
		`${NOPE:=def}`: "def", `${NOPE=def}`: "def",
		`${NOPE:?err}`: "err",
		`${FOO:+alt}`:  "bar", `${NOPE:+alt}`: "alt",
		`${NOPE:-${FOO}}`: "bar", `${NOPE:-a/${FOO}:x}`: "a/bar:x",
		`${NOPE:-${NOPE:-deep}}`: "deep", `${NOPE:-${FOO^^}}`: "BAR",
		`${NOPE:-http://x:80/y}`: "http://x:80/y",
		`${NOPE:-"q"}`:           `"q"`, // the text: without quotes around, YAML takes these away
		`${NOPE:- x}`:            " x",  // likewise
		`${NOPE:-a}b}`:           "ab}",
		`${NOPE:-$$x}`:           "$$x",
		`${FOO^}`:                "Bar", `${FOO^^}`: "BAR", `${UP,}`: "aBC", `${UP,,}`: "abc",
		`${#FOO}`:  "3",
		`${FOO:1}`: "ar", `${FOO:1:2}`: "ar", `${FOO:0:1}`: "b", `${FOO:9}`: "", `${FOO: -1}`: "bar",
		`${FOO#b}`: "ar", `${FOO##*a}`: "r", `${FOO%r}`: "ba", `${BB%%b*}`: "a",
		`${P#*/}`: "y/z", `${P##*/}`: "z", `${P%/*}`: "x/y", `${P%%/*}`: "x",
		`${FOO/a/X}`: "bXr", `${BB//b/X}`: "aXXa", `${FOO/#b/X}`: "Xar", `${FOO/%r/X}`: "baX", `${FOO/a/}`: "br",
		`$${FOO}`: "${FOO}", `$$$${FOO}`: "$${FOO}",
		`\${FOO}`: `\bar`,
		`a\\b`:    `a\b`, `a\/b`: "a/b", `a\n`: `a\n`,
		`$FOO`: "$FOO", `$5`: "$5", `$(cmd)`: "$(cmd)", `a$b`: "a$b", `a$`: "a$", `a}`: "a}", `a{{x}}`: "a{{x}}", `$`: "$",
	} {
		for name, quote := range map[string]string{"plain": "", "single-quoted": "'"} {
			text := "provider: {name: openfaas}\nfunctions:\n  fn:\n    environment:\n      A: " + quote + form + quote + "\n"
			f, err := parseText("stack.yaml", []byte(text), LoadOptions{Lookup: lookupIn(tableVars)})
			if err != nil {
				t.Errorf("%s, %s: %v", form, name, err)
				continue
			}
			want := want
			if quote == "" {
				want = strings.Trim(want, ` "`)
			}
			if got := f.Functions[0].Environment["A"]; got != want {
				t.Errorf("%s, %s: got %q, want %q", form, name, got, want)
			}
		}
		// The library agrees on the form alone.
		if got, err := envsubst.Eval(form, func(s string) string { return tableVars[s] }); err != nil || got != want {
			t.Errorf("envsubst of %s: %q, %v; the table says %q", form, got, err, want)
		}
	}
}

func TestSubstitutionMalformed(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{
		"${FOO-def}":   "missing closing brace",
		"${EMPTY-def}": "missing closing brace",
		"${FOO+x}":     "missing closing brace",
		"${FOO/a}":     "bad substitution",
		"${}":          "unable to parse variable name",
		"${":           "unable to parse variable name",
		"${FOO":        "missing closing brace",
		"${F-OO}":      "missing closing brace",
		"${FOO BAR}":   "missing closing brace",
		"${FOO.BAR}":   "missing closing brace",
	} {
		text := "# ${ in a comment\nprovider: {name: openfaas}\nfunctions:\n  fn:\n    environment:\n      A: x " + form + " # ${\n      B: ${FOO}\n"
		_, err := parseText("stack.yaml", []byte(text), LoadOptions{Lookup: lookupIn(tableVars)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "stack.yaml:6:12: ") {
			t.Errorf("%s: got %v, want stack.yaml:6:12 and %q", form, err, want)
		}
		if _, err := parseText("stack.yaml", []byte(text), LoadOptions{}); err != nil {
			t.Errorf("%s without substitution: %v", form, err)
		}
	}
}

// TestSubstitutionKeepsStructure uses values that would be structure in the
// text: they stay values.
func TestSubstitutionKeepsStructure(t *testing.T) {
	t.Parallel()
	vars := map[string]string{
		"NL": "a\n      EVIL: b", "COLON": "a: b", "HASH": "a #b", "FLOW": "}, {x: y", "LIST": "[a, b]", "Q": `"q"`,
		"N": "007", "T": "true", "AMP": "&a", "STAR": "*b", "K": "key",
	}
	const text = `
provider: {name: openfaas}
functions:
  fn:
    environment:
      NL: ${NL}
      COLON: ${COLON}
      HASH: x ${HASH} y # c
      FLOW: ${FLOW}
      LIST: ${LIST}
      Q: ${Q}
      N: ${N}
      AMP: ${AMP}
      STAR: ${STAR}
      BLOCK: |
        ${NL}
        ${HASH}
      DQ: "<${NL}>"
    labels: {X: "${COLON}", "${K}": ${N}, e: ${NOPE}}
    secrets: [${K}, ${N}-k]
    annotations: ${NOPE}
    readonly_root_filesystem: ${T}
    constraints: ${NOPE:-[]}
`
	f, err := parseText("s.yml", []byte(text), LoadOptions{Lookup: lookupIn(vars)})
	if err != nil {
		t.Fatal(err)
	}
	fn := f.Functions[0]
	wantEnv := map[string]string{
		"NL": vars["NL"], "COLON": "a: b", "HASH": "x a #b y", "FLOW": "}, {x: y", "LIST": "[a, b]", "Q": `"q"`, "N": "007",
		"AMP": "&a", "STAR": "*b", "BLOCK": vars["NL"] + "\na #b\n", "DQ": "<" + vars["NL"] + ">",
	}
	if !maps.Equal(fn.Environment, wantEnv) {
		t.Errorf("environment\n got %q\nwant %q", fn.Environment, wantEnv)
	}
	if want := map[string]string{"X": "a: b", "key": "007", "e": ""}; !maps.Equal(*fn.Labels, want) {
		t.Errorf("labels %q, want %q", *fn.Labels, want)
	}
	if got := strings.Join(fn.Secrets, " "); got != "key 007-k" {
		t.Errorf("secrets %q", got)
	}
	if fn.Annotations != nil || !fn.ReadOnlyRootFilesystem || fn.Constraints == nil || len(*fn.Constraints) != 0 {
		t.Errorf("annotations %v, read only %v, constraints %v", fn.Annotations, fn.ReadOnlyRootFilesystem, fn.Constraints)
	}
	if len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0].String(), "NOPE") {
		t.Errorf("warnings %v, want one about NOPE", f.Warnings)
	}
}

// TestSubstitutionOfOwnText has text that stands in the file, not in a
// variable: it is read as if it stood there without ${…}.
func TestSubstitutionOfOwnText(t *testing.T) {
	t.Parallel()
	const text = minimal + `
functions:
  fn:
    secrets: ${NOPE:-[a, "b c"]}
    constraints: ${NOPE:-[a=b, ${NOPE:-c}=d]}
    labels: ${NOPE:-{a: b, c: 1}}
    annotations: ${NOPE:-{}}
    environment:
      QUOTED: ${NOPE:-"007"}
      BLANKS: ${NOPE:- x }
      TEXT: ${NOPE:-[a, b]}
      COLON: ${NOPE:-a: b}
    limits: ${NOPE:-{memory: 64Mi}}
    skip_build: ${NOPE:-'yes'}
    build_options:
      - ${NOPE}
      - "${NOPE}"
      - x${NOPE}
      -
`
	f, err := parseText("s.yml", []byte(text), LoadOptions{Lookup: lookupIn(nil)})
	if err != nil {
		t.Fatal(err)
	}
	fn := f.Functions[0]
	for what, pair := range map[string][2]any{
		"secrets":     {fn.Secrets, []string{"a", "b c"}},
		"constraints": {*fn.Constraints, []string{"a=b", "c=d"}},
		"labels":      {*fn.Labels, map[string]string{"a": "b", "c": "1"}},
		"annotations": {*fn.Annotations, map[string]string{}},
		"environment": {fn.Environment, map[string]string{"QUOTED": "007", "BLANKS": "x", "TEXT": "[a, b]", "COLON": "a: b"}},
		"memory":      {fn.Limits.Memory, "64Mi"},
		"options":     {fn.BuildOptions, []string{"", "x"}},
		"skip_build":  {fn.SkipBuild, true},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
	for text, want := range map[string]string{
		"secrets: ${L}":                   `s.yml:4:14: functions.a.secrets: wants a list, not the text "[a, b]"`,
		"secrets: ${NOPE:-${L}}":          `s.yml:4:14: functions.a.secrets: wants a list`,
		"secrets: ${NOPE:-[a, [b]]}":      `s.yml:4:14: functions.a.secrets[1]: wants text, not a list`,
		"labels: ${NOPE:-{a: b, a: c}}":   `s.yml:4:13: the key "a" is already in line 4`,
		"limits: ${NOPE:-{memroy: 64Mi}}": `s.yml:4:13: functions.a.limits: unknown key "memroy"`,
	} {
		_, err := parseText("s.yml", []byte(minimal+"functions:\n  a:\n    "+text+"\n"), LoadOptions{Lookup: lookupIn(map[string]string{"L": "[a, b]"}), Strict: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
		var syntax *SyntaxError
		if strings.Contains(text, "{L}") && (!errors.As(err, &syntax) || !strings.Contains(syntax.Hint(), "stays text")) {
			t.Errorf("%s: no advice about the variable: %v", text, err)
		}
	}
}

func TestSubstitutionRefusesLinesInNames(t *testing.T) {
	t.Parallel()
	lookup := lookupIn(map[string]string{"NL": "a\nb"})
	for _, body := range []string{
		"    handler: ${NL}", "    image: a/b:${NL}", "    lang: ${NL}", "    namespace: ${NL}",
		"    environment_file: [\"${NL}\"]", "    secrets: [\"${NL}\"]", "    environment: {\"${NL}\": x}",
		"    build_secrets: {a: \"${NL}\"}", "    labels:\n      ${NL}: x", "  ${NL}: {image: x}",
	} {
		text := "provider: {name: openfaas}\nfunctions:\n  fn:\n" + body + "\n"
		_, err := parseText("s.yml", []byte(text), LoadOptions{Lookup: lookup})
		if err == nil || !strings.Contains(err.Error(), "s.yml:4:") && !strings.Contains(err.Error(), "s.yml:5:") {
			t.Errorf("%s: got %v, want an error in line 4", body, err)
		}
	}
}

func TestSubstitutionOverSeveralLines(t *testing.T) {
	t.Parallel()
	const text = "provider: {name: openfaas}\nfunctions:\n  fn:\n    environment:\n      A: ${NOPE:-one\n  two}\n    imag: x\n"
	f, err := parseText("s.yml", []byte(text), LoadOptions{Lookup: lookupIn(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Functions[0].Environment["A"]; got != "one two" {
		t.Errorf("got %q", got)
	}
	if len(f.Warnings) != 1 || f.Warnings[0].Line != 7 || f.Warnings[0].Column != 5 {
		t.Errorf("warnings %v, want one at 7:5", f.Warnings)
	}
}

// TestSubstitutionPrivateRunes uses the runes that placeholders are made of.
func TestSubstitutionPrivateRunes(t *testing.T) {
	t.Parallel()
	f, err := parseText("s.yml", []byte("provider: {name: openfaas}\nfunctions:\n  fn:\n    environment: {A: \"\ue000\ue001${X}\\ue002\"}\n"),
		LoadOptions{Lookup: lookupIn(map[string]string{"X": "\ue003\ue100\ue100"})})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Functions[0].Environment["A"], "\ue000\ue001\ue003\ue100\ue100\ue002"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSubstitutionBackslashes has them in double quotes, where the text loses
// a level before YAML reads it.
func TestSubstitutionBackslashes(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		`"C:\\\\dir"`: `C:\dir`, // two of four reach YAML, where they are one
		`"a\\nb"`:     "a\nb",
		`"\\\\\/x"`:   `\/x`,
		`'\\\\'`:      `\\`,
		`a\\\n`:       `a\\n`,
	} {
		f, err := parseText("s.yml", []byte(minimal+"functions: {a: {environment: {A: "+written+"}}}\n"), LoadOptions{Lookup: lookupIn(nil)})
		if err != nil || f.Functions[0].Environment["A"] != want {
			t.Errorf("%s: got %v, %v, want %q", written, f, err, want)
		}
	}
}
