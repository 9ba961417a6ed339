package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write puts files into a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, files)
	return dir
}

func writeFiles(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const minimal = "provider: {name: openfaas}\n"

func names(fns []Function) string {
	var out []string
	for _, fn := range fns {
		out = append(out, fn.Name)
	}
	return strings.Join(out, " ")
}

func TestLoadKeepsFileOrder(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"stack.yaml": minimal + "functions:\n  zz: {image: z}\n  aa:\n  mm: {image: m, namespace: 1.50}\n"})
	f, err := Load(t.Context(), []string{"stack.yaml"}, LoadOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(f.Functions); got != "zz aa mm" {
		t.Errorf("order %q", got)
	}
	if mm, ok := f.Function("mm"); !ok || mm.Namespace != "1.50" || mm.Position("namespace").String() != "stack.yaml:5:29" {
		t.Errorf("mm: %v %v", mm.Namespace, mm.Position("namespace"))
	}
}

// TestLoadMistakes holds what people get wrong, with the place and the words
// that the message must have.
func TestLoadMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"no provider":        {"functions: {}\n", `s.yml:1:1: provider.name must be openfaas, but it is missing`},
		"empty file":         {"", `s.yml:1:1: provider.name must be openfaas`},
		"old provider":       {"version: 2\nprovider:\n  name: faas\n", `s.yml:3:9: provider.name must be openfaas, but it is "faas"`},
		"version":            {"version: 2.0\n" + minimal, `s.yml:1:10: version must be 1.0, but it is "2.0"`},
		"version 1":          {"version: 1\n" + minimal, `but it is "1"`},
		"duplicate key":      {minimal + "version: 1.0\nversion: 1.0\n", `s.yml:3:1: the key "version" is already in line 2`},
		"duplicate function": {minimal + "functions:\n  a: {}\n  b: {}\n  a: {}\n", `s.yml:5:3: the key "a" is already in line 3`},
		"duplicate by value": {minimal + "functions:\n  ${A:-x}: {}\n  x: {}\n", `s.yml:4:3: functions: the function "x" is already in line 3`},
		"list for text":      {minimal + "functions:\n  a:\n    image: [x]\n", `s.yml:4:12: functions.a.image: wants text, not a list`},
		"text for list":      {minimal + "functions:\n  a:\n    secrets: x\n", `s.yml:4:14: functions.a.secrets: wants a list, not the text "x"`},
		"text for mapping":   {minimal + "functions:\n  a:\n    labels: x\n", `s.yml:4:13: functions.a.labels: wants a mapping, not the text "x"`},
		"text for function":  {minimal + "functions:\n  a: x\n", `s.yml:3:6: functions.a: wants a mapping`},
		"list of functions":  {minimal + "functions: [a]\n", `s.yml:2:12: functions: wants a mapping of names to functions, not a list`},
		"not a boolean":      {minimal + "functions:\n  a: {skip_build: maybe}\n", `s.yml:3:19: functions.a.skip_build: wants true or false`},
		"name with a dot":    {minimal + "functions:\n  ../x: {}\n", `s.yml:3:3: functions: the function name "../x"`},
		"a long name":        {minimal + "functions:\n  " + strings.Repeat("a", 64) + ": {}\n", `has 64 characters`},
		"tab":                {minimal + "functions:\n  a:\n\timage: x\n", `s.yml:4:1: a tab`},
		"indentation":        {minimal + "functions:\n  a:\n    image: x\n   handler: y\n", `s.yml:5:4: the indentation of "handler"`},
		"deeper":             {minimal + "functions:\n  a:\n    image: x\n      handler: y\n", `s.yml:5:7: "handler" is indented deeper than the key in line 4`},
		"a bracket":          {minimal + "functions:\n  fn: [unclosed\n  b: {}\n", `s.yml:3:7: the [ is not closed`},
		"a brace":            {minimal + "functions:\n  fn: {image: \"${A:-}}\",\n   secrets: [a],\n", `s.yml:3:7: the { is not closed`},
		"a missing blank":    {minimal + "functions:\n  a:\n    image:acme/x\n    handler: y\n", `s.yml:4:5: a blank is missing after image:`},
		"flow, then wrong":   {minimal + "functions: {\n  a: {},\n      b: {}\n }\nx-a:\n   b: c\n  d: e\n", `s.yml:8:3: the indentation of "d"`},
		"a colon in a value": {minimal + "functions:\n  a:\n    fprocess: python: x\n", `s.yml:4:15: a value that holds a colon and a blank needs quotes`},
		"a cron expression":  {minimal + "functions:\n  a:\n    annotations:\n      schedule: * * * * *\n", `s.yml:5:17: a value that begins with * needs quotes`},
		"no such anchor":     {minimal + "functions:\n  a:\n    labels: *b # c\n", `s.yml:4:13: a value that begins with *`},
		"an at sign":         {minimal + "functions:\n  a:\n    image: @acme/x\n", `s.yml:4:12: a value that begins with @ needs quotes`},
		"an open quote":      {minimal + "functions:\n  a:\n    image: \"acme\n    lang: go\n", `s.yml:4:12: the quote " is not closed`},
		"not indented":       {minimal + "functions:\n  a:\n  image: x\n", `s.yml:4:10: functions: "image" is a key of a function and must be indented deeper`},
		"a list as the file": {"- a\n", `s.yml:1:1: a stack file is a mapping`},
		"not UTF-8":          {minimal + "# \xff\n", `s.yml:2:1: not UTF-8`},
		"merge of text":      {minimal + "functions:\n  a:\n    <<: x\n", `s.yml:4:5: functions.a: a merge key wants a mapping`},
	} {
		_, err := parseText("s.yml", []byte(tt.text), LoadOptions{Lookup: lookupIn(nil)})
		var syntax *SyntaxError
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &syntax) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

func TestLoadReportsSeveralMistakes(t *testing.T) {
	t.Parallel()
	_, err := parseText("s.yml", []byte(minimal+"functions:\n  a: {image: [x]}\n  b: {secrets: x}\n"), LoadOptions{})
	if err == nil || !strings.Contains(err.Error(), "functions.a.image") || !strings.Contains(err.Error(), "functions.b.secrets") {
		t.Errorf("got %v", err)
	}
}

func TestLoadUnknownKeys(t *testing.T) {
	t.Parallel()
	const text = "provider: {name: openfaas, zone: [a]}\nx-a: 1\nextra: 1\nfunctions:\n  a:\n    imgae: x\n    enviroment: {}\n    x-b: 1\n    network: n\n    limits: {memroy: 1}\n"
	f, err := parseText("s.yml", []byte(text), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range f.Warnings {
		got = append(got, w.String())
	}
	want := []string{
		`s.yml:1:28: provider: unknown key "zone"`,
		`s.yml:3:1: the stack file: unknown key "extra"`,
		`s.yml:6:5: functions.a: unknown key "imgae", did you mean "image"?`,
		`s.yml:7:5: functions.a: unknown key "enviroment", did you mean "environment"?`,
		`s.yml:10:14: functions.a.limits: unknown key "memroy", did you mean "memory"?`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := parseText("s.yml", []byte(text), LoadOptions{Strict: true}); err == nil || !strings.Contains(err.Error(), "imgae") {
		t.Errorf("strict: %v", err)
	}
}

// TestLoadSuggestsKeys names the key that is probably meant.
func TestLoadSuggestsKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"functions:\n  a:\n    language: go\n":              `3:5: functions.a: unknown key "language", did you mean "lang"?`,
		"functions:\n  a:\n    memory: 64Mi\n":              `3:5: functions.a: unknown key "memory", did you mean "limits.memory"?`,
		"functions:\n  a:\n    readonly: true\n":            `did you mean "readonly_root_filesystem"?`,
		"functions:\n  a:\n    environment:\n    MODE: x\n": `4:5: functions.a: unknown key "MODE", is it to be indented below "environment"?`,
		"functions:\napi:\n  image: x\n":                    `2:1: the stack file: unknown key "api", is it to be indented below "functions"?`,
		"functions:\n  a: {zzz: 1}\n":                       `2:7: functions.a: unknown key "zzz"`,
	} {
		f, err := parseText("s.yml", []byte(text+minimal), LoadOptions{})
		if err != nil || len(f.Warnings) != 1 || !strings.HasSuffix(f.Warnings[0].String(), want) {
			t.Errorf("%q: got %v, %v, want %s", text, f, err, want)
		}
	}
}

func TestLoadStrictVariables(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"${A}":            `the variable A is not set and has no default`,
		"${A:?say which}": `the variable A is not set: say which`,
		"${A:-x}":         "",
		"${A:-${B}}":      `the variable B is not set`,
	} {
		text := minimal + "functions:\n  a:\n    image: i/" + body + "\n"
		_, err := parseText("s.yml", []byte(text), LoadOptions{Lookup: lookupIn(nil), Strict: true})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), "s.yml:4:12: "+want) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

func TestLoadSelects(t *testing.T) {
	t.Parallel()
	const text = minimal + "functions: {fn: {}, fn1: {}, api-a: {}, api-b: {}, gif-worker: {}, my-gif: {}}\n"
	for _, tt := range []struct {
		sel  Selector
		want string
	}{
		{Selector{}, "fn fn1 api-a api-b gif-worker my-gif"},
		{Selector{Filter: "fn"}, "fn"},
		{Selector{Filter: "api-*"}, "api-a api-b"},
		{Selector{Filter: "*gif*"}, "gif-worker my-gif"},
		{Selector{Filter: "*-worker"}, "gif-worker"},
		{Selector{Filter: "a*i*a"}, "api-a"},
		{Selector{Filter: "f.*"}, ""},
		{Selector{Filter: "fnfn*fn"}, ""},
		{Selector{Regex: "-[abw]"}, "api-a api-b gif-worker"},
		{Selector{Regex: "^fn$"}, "fn"},
	} {
		f, err := parseText("s.yml", []byte(text), LoadOptions{Select: tt.sel})
		if tt.want == "" {
			if !errors.Is(err, ErrNoMatch) {
				t.Errorf("%v: got %v, want ErrNoMatch", tt.sel, err)
			}
			continue
		}
		if err != nil || names(f.Functions) != tt.want {
			t.Errorf("%v: got %v, %v, want %s", tt.sel, f, err, tt.want)
		}
	}
	for _, sel := range []Selector{{Filter: "a", Regex: "b"}, {Regex: "("}} {
		if _, err := parseText("s.yml", []byte(text), LoadOptions{Select: sel}); err == nil {
			t.Errorf("%v is accepted", sel)
		}
	}
}

func TestLoadRemote(t *testing.T) {
	t.Parallel()
	body := minimal + "functions:\n  a: {image: \"i/a:${T:-1}\", secrets: [\"${HOME}x\"]}\n"
	o := LoadOptions{
		Lookup: lookupIn(map[string]string{"T": "9", "HOME": "/root"}),
		Fetch: func(context.Context, string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(body)), nil
		},
	}
	f, err := Load(t.Context(), []string{"http://example.com/s.yml"}, o)
	if err != nil {
		t.Fatal(err)
	}
	if a := f.Functions[0]; a.Image != "i/a:1" || a.Secrets[0] != "x" {
		t.Errorf("the environment reached a remote file: %v", a)
	}
	if len(f.Warnings) != 2 || f.Warnings[0].Rule != RulePlainHTTP || f.Warnings[1].Rule != RuleRemoteVars || !strings.Contains(f.Warnings[1].Message, "HOME, T") {
		t.Errorf("warnings %v", f.Warnings)
	}
	o.TrustRemote = true
	if f, err = Load(t.Context(), []string{"https://example.com/s.yml"}, o); err != nil || f.Functions[0].Image != "i/a:9" || len(f.Warnings) != 0 {
		t.Errorf("trusted: %v, %v", f, err)
	}
	body = strings.Repeat("#", maxRemote+1)
	if _, err = Load(t.Context(), []string{"https://example.com/s.yml"}, o); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a huge file: %v", err)
	}
	if _, err := Load(t.Context(), []string{"https://example.com/s.yml"}, LoadOptions{}); err == nil {
		t.Error("a URL without Fetch is accepted")
	}
	if IsURL(`c:\stack.yml`) || IsURL("ftp://x/y") || !IsURL("HTTPS://x") {
		t.Error("only http and https are URLs")
	}
}

// TestLoadBoundsAliases reads files of at most 1 MiB that aliases blow up. It
// measures time, so it runs alone.
func TestLoadBoundsAliases(t *testing.T) {
	var big strings.Builder
	big.WriteString(minimal + "x-e: &e {A: \"" + strings.Repeat("x", 500<<10) + "\"}\nfunctions:\n")
	for i := range 5000 {
		fmt.Fprintf(&big, "  f%d: {environment: *e}\n", i)
	}
	for name, text := range map[string]string{
		"one text, many functions": big.String(),
		"a merge of itself":        minimal + "functions:\n  a: &a\n    <<: *a\n",
	} {
		start := time.Now()
		_, err := parseText("s.yml", []byte(text), LoadOptions{Lookup: lookupIn(nil)})
		if err == nil || !strings.Contains(err.Error(), "MiB") && !strings.Contains(err.Error(), "into itself") {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > 5*time.Second { // far more than it takes, far less than unbounded
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// TestHostileTextCostsLinearTime reads texts of 256 KiB that took a minute when a
// step looked at everything before or behind each ${. It measures time, so it runs
// alone.
func TestHostileTextCostsLinearTime(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, 1<<18/len(s)) }
	var keys strings.Builder
	for i := range 1 << 14 {
		fmt.Fprintf(&keys, "K%d: ${A-b, ", i)
	}
	for name, text := range map[string]string{
		"nothing is closed":        minimal + "x-a: \"" + fill("${") + "\"\n",
		"nothing is closed, a tab": minimal + "\tx-a: " + fill("${") + "\n",
		"no expressions":           minimal + "functions: {a: {image: x, environment: {" + keys.String() + "}}}\n",
		"each over two lines":      minimal + "functions:\n  a:\n    secrets:\n" + fill("    - ${A:-\n      b}\n"),
	} {
		start := time.Now()
		_, _ = parseText("s.yml", []byte(text), LoadOptions{Lookup: lookupIn(nil)})
		_, _ = Set("s.yml", []byte(text), "functions.a.image", "y")
		if d := time.Since(start); d > 20*time.Second { // ten times what the race detector makes of it
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// TestLargeFilesHaveTheirBudget has a text of as many values as bytes allow.
func TestLargeFilesHaveTheirBudget(t *testing.T) {
	t.Parallel()
	const values = 5 << 20
	s := &source{text: strings.Repeat("a,", values)}
	if d := newDecoder(&File{sources: []*source{s}}); d.budget < values*(len("a")+nodeCost) {
		t.Errorf("a budget of %d for a file without aliases", d.budget)
	}
}

// TestLoadMergesOnce has 10^7 paths to one mapping: each is merged once.
func TestLoadMergesOnce(t *testing.T) {
	t.Parallel()
	text := minimal + "x0: &x0 {k: v}\n"
	for i := 1; i < 8; i++ {
		text += fmt.Sprintf("x%d: &x%d {<<: [%s]}\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
	}
	f, err := parseText("s.yml", []byte(text+"functions: {a: {environment: *x7}}\n"), LoadOptions{})
	if err != nil || f.Functions[0].Environment["k"] != "v" {
		t.Errorf("got %v, %v", f, err)
	}
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	stack := minimal + "functions: {}\n"
	for name, tt := range map[string]struct {
		files      map[string]string
		flags      []string
		want       string
		candidates string
		missing    bool
		note       bool
	}{
		"stack.yaml first":            {files: map[string]string{"stack.yaml": stack, "stack.yml": stack, "a.yml": stack}, want: "stack.yaml"},
		"then stack.yml":              {files: map[string]string{"stack.yml": stack, "a.yml": stack}, want: "stack.yml"},
		"then the only one":           {files: map[string]string{"hello.yml": stack, "docker-compose.yml": "services: {}\n", "n.yaml": "provider: {name: other} # openfaas\n"}, want: "hello.yml"},
		"the only one, broken":        {files: map[string]string{"hello.yml": "provider:\n  name: openfaas\nfunctions: [\n"}, want: "hello.yml"},
		"several":                     {files: map[string]string{"a.yml": stack, "b.yaml": stack}, candidates: "a.yml b.yaml"},
		"none":                        {},
		"-f ''":                       {files: map[string]string{"stack.yaml": stack}, flags: []string{""}},
		"-f":                          {files: map[string]string{"stack.yaml": stack, "b.yaml": stack}, flags: []string{"b.yaml"}, want: "b.yaml"},
		"several -f":                  {files: map[string]string{"a.yml": stack, "b.yaml": stack}, flags: []string{"b.yaml", "a.yml"}, want: "b.yaml a.yml"},
		"several -f, one missing":     {files: map[string]string{"a.yml": stack}, flags: []string{"a.yml", "stack.yaml"}, missing: true},
		"-f stack.yaml, not there":    {files: map[string]string{"hello.yml": stack}, flags: []string{"stack.yaml"}, want: "hello.yml", note: true},
		"-f stack.yaml, two others":   {files: map[string]string{"a.yml": stack, "b.yaml": stack}, flags: []string{"stack.yaml"}, candidates: "a.yml b.yaml", note: true},
		"-f stack.yml, nothing there": {flags: []string{"stack.yml"}, note: true},
		"-f other, not there":         {files: map[string]string{"hello.yml": stack}, flags: []string{"prod.yml"}, missing: true},
		"a URL":                       {flags: []string{"https://x/y.yml"}, want: "https://x/y.yml"},
	} {
		d, err := Discover(write(t, tt.files), tt.flags)
		if errors.Is(err, fs.ErrNotExist) != tt.missing {
			t.Errorf("%s: error %v", name, err)
			continue
		}
		if got := strings.Join(d.Paths, " "); got != tt.want {
			t.Errorf("%s: paths %q, want %q", name, got, tt.want)
		}
		if got := strings.Join(d.Candidates, " "); got != tt.candidates {
			t.Errorf("%s: candidates %q", name, got)
		}
		if (len(d.Notes) > 0) != tt.note {
			t.Errorf("%s: notes %q", name, d.Notes)
		}
	}
}

func TestNewTarget(t *testing.T) {
	t.Parallel()
	all := map[string]string{"stack.yml": minimal, "b.yml": minimal}
	for name, tt := range map[string]struct {
		files    map[string]string
		flags    []string
		appendTo string
		want     Target
		fails    bool
	}{
		"nothing there":       {want: Target{Path: "fa.yml"}},
		"a stack file":        {files: all, want: Target{Path: "stack.yml", Exists: true}},
		"NAME.yml there":      {files: map[string]string{"fa.yml": minimal}, want: Target{Path: "fa.yml", Exists: true}},
		"-f, new":             {files: all, flags: []string{"c.yml"}, want: Target{Path: "c.yml"}},
		"-f, there":           {files: all, flags: []string{"b.yml"}, want: Target{Path: "b.yml", Exists: true}},
		"--append":            {files: all, appendTo: "b.yml", want: Target{Path: "b.yml", Exists: true}},
		"--append, missing":   {appendTo: "nope.yml", fails: true},
		"--append, not YAML":  {files: map[string]string{"a.txt": minimal}, appendTo: "a.txt", fails: true},
		"-f and --append":     {files: all, flags: []string{"b.yml"}, appendTo: "b.yml", fails: true},
		"several -f":          {files: all, flags: []string{"b.yml", "stack.yml"}, fails: true},
		"-f of a remote file": {flags: []string{"https://x/y.yml"}, fails: true},
		"-f '': NAME.yml":     {files: all, flags: []string{""}, want: Target{Path: "fa.yml"}},
	} {
		got, err := NewTarget(write(t, tt.files), "fa", tt.flags, tt.appendTo)
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tt.want)
		}
	}
}
