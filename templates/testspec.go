package templates

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// TestFile holds the requests that template test sends.
const TestFile = "test.yml"

// testHandlers is where further handlers to be tested are.
const testHandlers = "test/handlers"

// A TestSpec is a test.yml.
type TestSpec struct {
	// Memory is the limit that the function runs under, as a Kubernetes
	// quantity; empty: DefaultTestMemory.
	Memory   string        `yaml:"memory,omitempty"`
	Requests []TestRequest `yaml:"requests"`
}

// DefaultTestMemory is the limit where a test.yml gives none.
const DefaultTestMemory = "128Mi"

// A TestRequest is a request and the answer that it should get.
type TestRequest struct {
	Name    string            `yaml:"name,omitempty"`   // empty: "METHOD PATH"
	Method  string            `yaml:"method,omitempty"` // empty: POST
	Path    string            `yaml:"path,omitempty"`   // with query; empty: "/"
	Headers map[string]string `yaml:"headers,omitempty"`
	Body    string            `yaml:"body,omitempty"`
	Expect  Expectation       `yaml:"expect"`
}

// An Expectation says what an answer must be; what is not given is not looked
// at, but the status is 200.
type Expectation struct {
	Status  int               `yaml:"status,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty"` // by name, exact values
	Text    *string           `yaml:"text,omitempty"`    // the whole body, but for a final newline
	JSON    any               `yaml:"json,omitempty"`    // a subset: objects may have further keys
	Regexp  string            `yaml:"regexp,omitempty"`  // RE2, unanchored
}

// Title is the request's name.
func (r TestRequest) Title() string {
	if r.Name != "" {
		return r.Name
	}
	return r.method() + " " + r.path()
}

func (r TestRequest) method() string {
	if r.Method == "" {
		return http.MethodPost
	}
	return strings.ToUpper(r.Method)
}

func (r TestRequest) path() string {
	if r.Path == "" {
		return "/"
	}
	return r.Path
}

// Request makes the HTTP request to the function at base, such as
// "http://127.0.0.1:1234".
func (r TestRequest) Request(ctx context.Context, base string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method(), base+r.path(), strings.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	for k, v := range r.Headers {
		req.Header.Set(k, v)
		if http.CanonicalHeaderKey(k) == "Host" {
			req.Host = v
		}
	}
	return req, nil
}

// A TestCase is a handler and the requests for it.
type TestCase struct {
	Name string // "starter", or the folder's below test/handlers
	Dir  string // the handler in the template, slash-separated
	Spec TestSpec
}

// starterCase is the name of the test of the starter handler.
const starterCase = "starter"

// TestCases reads test.yml and test/handlers: the starter handler and each
// folder below test/handlers are a case. A handler NAME has its requests in
// test/handlers/NAME.yml, or those of test.yml where there is no such file. It
// fails with fs.ErrNotExist if there is no test.yml.
func (t Template) TestCases() ([]TestCase, error) {
	spec, err := readTestSpec(t.FS, TestFile)
	if err != nil {
		return nil, fmt.Errorf("template %q: %w", t.Name, err)
	}
	cases := []TestCase{{Name: starterCase, Dir: t.HandlerFolder(), Spec: spec}}
	entries, err := fs.ReadDir(t.FS, testHandlers)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("template %q: %w", t.Name, err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		c := TestCase{Name: e.Name(), Dir: path.Join(testHandlers, e.Name()), Spec: spec}
		own, err := readTestSpec(t.FS, path.Join(testHandlers, e.Name()+".yml"))
		switch {
		case err == nil:
			c.Spec = own
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("template %q: %w", t.Name, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func readTestSpec(fsys fs.FS, name string) (TestSpec, error) {
	var spec TestSpec
	data, err := readBounded(fsys, name, maxConfig)
	if err != nil {
		return spec, fmt.Errorf("read %s: %w", name, plainPath(err))
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&spec); err != nil && !errors.Is(err, io.EOF) {
		return spec, fmt.Errorf("read %s: %w", name, err)
	}
	if len(spec.Requests) == 0 {
		return spec, fmt.Errorf("read %s: it has no requests", name)
	}
	for _, r := range spec.Requests {
		if _, err := regexp.Compile(r.Expect.Regexp); err != nil {
			return spec, fmt.Errorf("read %s: request %q: %w", name, r.Title(), err)
		}
	}
	if spec.Memory == "" {
		spec.Memory = DefaultTestMemory
	}
	return spec, nil
}

// Check compares an answer with what was expected. The error says all that is
// different.
func (e Expectation) Check(status int, header http.Header, body []byte) error {
	var errs []error
	want := e.Status
	if want == 0 {
		want = http.StatusOK
	}
	if status != want {
		errs = append(errs, fmt.Errorf("status %d, want %d", status, want))
	}
	for _, k := range slices.Sorted(maps.Keys(e.Headers)) {
		if got := header.Get(k); got != e.Headers[k] {
			errs = append(errs, fmt.Errorf("header %s: %q, want %q", k, got, e.Headers[k]))
		}
	}
	if e.Text != nil && strings.TrimSuffix(string(body), "\n") != strings.TrimSuffix(*e.Text, "\n") {
		errs = append(errs, fmt.Errorf("body %q, want %q", clip(body), *e.Text))
	}
	if e.Regexp != "" {
		re, err := regexp.Compile(e.Regexp)
		if err == nil && !re.Match(body) {
			err = fmt.Errorf("body %q does not match %q", clip(body), e.Regexp)
		}
		errs = append(errs, err)
	}
	if e.JSON != nil {
		errs = append(errs, checkJSON(e.JSON, body))
	}
	return errors.Join(errs...)
}

// clip keeps messages readable.
func clip(body []byte) string {
	const most = 300
	if len(body) > most {
		return string(body[:most]) + "…"
	}
	return string(body)
}

func checkJSON(want any, body []byte) error {
	var got any
	text, err := json.Marshal(want) // so that both sides have JSON's types
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &want); err != nil {
		return err
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("body %q is not JSON: %w", clip(body), err)
	}
	return subset("", want, got)
}

// subset says where got lacks something of want.
func subset(at string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("JSON at %q: %v, want an object", at+"/", got)
		}
		var errs []error
		for _, k := range slices.Sorted(maps.Keys(w)) {
			value, has := g[k]
			if !has {
				errs = append(errs, fmt.Errorf("JSON at %q: missing", at+"/"+k))
				continue
			}
			errs = append(errs, subset(at+"/"+k, w[k], value))
		}
		return errors.Join(errs...)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("JSON at %q: %v, want %v", at, got, want)
		}
		var errs []error
		for i := range w {
			errs = append(errs, subset(fmt.Sprintf("%s/%d", at, i), w[i], g[i]))
		}
		return errors.Join(errs...)
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("JSON at %q: %v, want %v", at, got, want)
	}
	return nil
}
