package templates

import (
	"errors"
	"os"
	"testing"
)

func TestNewTemplatesPassLintAndHaveTests(t *testing.T) {
	t.Parallel()
	for _, from := range Skeletons() {
		root := project(t, nil)
		written, err := New(root, "mine", from)
		if err != nil || len(written) != 3 {
			t.Fatalf("%s: %v, %v", from, written, err)
		}
		f := OpenFolder(root)
		tpl, err := f.Open("mine")
		if err != nil || tpl.Config.Language != "mine" || tpl.Trusted {
			t.Fatalf("%s: %+v, %v", from, tpl, err)
		}
		for _, finding := range Lint("mine", tpl.FS) {
			if finding.Severity != SeverityNote {
				t.Errorf("%s: %+v", from, finding)
			}
		}
		if cases, err := tpl.TestCases(); err != nil || len(cases) != 1 || len(cases[0].Spec.Requests) < 2 {
			t.Errorf("%s: %+v, %v", from, cases, err)
		}
		if _, err := New(root, "mine", from); !errors.Is(err, ErrExists) {
			t.Errorf("%s again: %v", from, err)
		}
		if again, err := New(root, "other", from); err != nil || len(again) != 1 {
			t.Errorf("%s beside another: %v, %v", from, again, err)
		}
		_ = f.Close()
	}
}

func TestNewTemplateRefusesNames(t *testing.T) {
	t.Parallel()
	root := project(t, nil)
	for _, name := range []string{"", "../x", "a@v1", "a/b", "nul"} {
		if _, err := New(root, name, "blank"); !errors.Is(err, ErrInvalidName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(root.Name()); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestExpectation(t *testing.T) {
	t.Parallel()
	root := project(t, map[string]string{
		"template/t/template.yml": "",
		"template/t/test.yml": `requests:
  - expect: {json: {a: 1, b: [true, {c: x}]}}
  - expect: {status: 404, regexp: "^no .* here"}
  - expect: {text: "hi", headers: {X-A: b}}
`,
		"template/t/test/handlers/two/h.py": "", "template/t/test/handlers/two.yml": "memory: 64Mi\nrequests: [{path: /x, method: get}]\n",
		"template/t/test/handlers/three/h.py": "",
	})
	f := OpenFolder(root)
	defer f.Close()
	tpl, err := f.Open("t")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := tpl.TestCases()
	if err != nil || len(cases) != 3 || cases[2].Spec.Requests[0].Title() != "GET /x" || cases[2].Spec.Memory != "64Mi" || len(cases[1].Spec.Requests) != 3 {
		t.Fatalf("%+v, %v", cases, err)
	}
	reqs := cases[0].Spec.Requests
	header := map[string][]string{"X-A": {"b"}}
	for _, tt := range []struct {
		request int
		status  int
		body    string
		ok      bool
	}{
		{0, 200, `{"a":1,"more":0,"b":[true,{"c":"x","d":null}]}`, true},
		{0, 200, `{"a":1,"b":[true]}`, false},
		{0, 200, `{"a":"1","b":[true,{"c":"x"}]}`, false},
		{0, 200, `no`, false},
		{0, 500, `{"a":1,"b":[true,{"c":"x"}]}`, false},
		{1, 404, "no cake here!", true},
		{1, 404, "cake", false},
		{2, 200, "hi\n", true},
		{2, 200, "hi!", false},
	} {
		if err := reqs[tt.request].Expect.Check(tt.status, header, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("request %d: %d %s: %v", tt.request, tt.status, tt.body, err)
		}
	}
	if err := reqs[2].Expect.Check(200, nil, []byte("hi")); err == nil {
		t.Error("a header that is missing passed")
	}
}
