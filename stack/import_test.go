package stack

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faas-cli/faas-cli/schema"
)

func TestImportComparesEqual(t *testing.T) {
	t.Parallel()
	odd := map[string]string{
		"A": "${HOME}", "B": "$$", "C": `C:\\dir\n/`, "D": `a\/b "q" 'r'`, "E": "line\nline\n", "F": "", "G": "true", "H": "$", "I": "a: b # c",
		"J": `\`, "K": `$\$\\/$${X}`, "L": "007", "M": " x ", "N": "é\u2028\U0001f600", "O": "$${", "P": "\x01\x7f",
	}
	functions := []schema.FunctionStatus{
		{Name: "zz", Namespace: "dev", Image: "a/b", EnvProcess: "cat ${x}", EnvVars: odd, Secrets: []string{"s"}, Constraints: []string{"a=b"},
			Labels: &map[string]string{"uid": "1", "l": "v"}, Annotations: &odd, Limits: &schema.FunctionResources{Memory: "1Gi", CPU: "1"}, ReadOnlyRootFilesystem: true},
		{Name: "aa", Image: "x@sha256:abc"},
		{Name: "Not-A-Label", Image: "x"},
	}
	text, leftOut := Import("http://gw:8080/p", functions, true)
	if strings.Join(leftOut, " ") != "Not-A-Label" {
		t.Errorf("left out %v", leftOut)
	}
	f, err := parseText("s.yml", text, LoadOptions{Lookup: lookupIn(map[string]string{"HOME": "/root", "x": "y", "X": "y"})})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if f.Gateway != "http://gw:8080/p" || names(f.Functions) != "aa zz" || f.Functions[1].Namespace != "dev" || !f.Functions[0].SkipBuild {
		t.Errorf("%s", text)
	}
	for i, status := range []schema.FunctionStatus{functions[1], functions[0]} {
		fn := f.Functions[i]
		d, err := fn.Deployment(Overrides{Image: withTag(fn.Image)})
		if err != nil {
			t.Fatal(err)
		}
		for _, diff := range Compare(d, status, CompareOptions{Env: EnvAll}) {
			t.Errorf("%s: %s differs\n%s", fn.Name, diff.Field, text)
		}
	}
	if text, _ := Import("http://gw", nil, false); string(text) != "version: 1.0\nprovider:\n  name: openfaas\n  gateway: http://gw\nfunctions: {}\n" {
		t.Errorf("nothing deployed: %s", text)
	}
}

// FuzzImport: whatever is deployed comes back from the file.
func FuzzImport(f *testing.F) {
	f.Add("a", `$${X}\\/`)
	f.Add("com.openfaas/x", "a\nb ")
	f.Fuzz(func(t *testing.T, key, value string) {
		if !utf8.ValidString(key) || !utf8.ValidString(value) || strings.ContainsAny(key, "\r\n") {
			return
		}
		text, _ := Import("http://gw", []schema.FunctionStatus{{Name: "a", Image: "i", EnvVars: map[string]string{key: value}}}, false)
		file, err := parseText("s.yml", text, LoadOptions{Lookup: fuzzLookup})
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		if got, ok := file.Functions[0].Environment[key]; got != value || !ok {
			t.Fatalf("%q: got %q, want %q in %q", key, got, value, text)
		}
	})
}
