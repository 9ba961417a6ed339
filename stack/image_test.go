package stack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
)

func answer(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func TestImageName(t *testing.T) {
	t.Parallel()
	src := TagSource{SHA: answer("8c37c4e"), Branch: answer("feature/x#1"), Describe: answer("v1.0-3-g8c37c4e"), Digest: answer("d0e8a27726edab2d855980a304586790")}
	for _, tt := range []struct{ image, format, want string }{
		{"me/fn:1.2", "", "me/fn:1.2"},
		{"me/fn", "latest", "me/fn:latest"},
		{"me/fn", "default", "me/fn:latest"},
		{"reg:5000/x/b", "latest", "reg:5000/x/b:latest"},
		{"x/a@sha256:abc", "latest", "x/a@sha256:abc"},
		{"me/fn:1.2", "SHA", "me/fn:1.2-8c37c4e"},
		{"me/fn", "sha", "me/fn:latest-8c37c4e"},
		{"me/fn:1.2", "branch", "me/fn:1.2-feature-x-1-8c37c4e"},
		{"me/fn:1.2", "describe", "me/fn:1.2-v1.0-3-g8c37c4e"},
		{"reg:5000/me/fn:1.2", "digest", "reg:5000/me/fn:d0e8a27726edab2d855980a304586790"},
		{"me/fn:" + strings.Repeat("a", 120), "branch", "me/fn:" + strings.Repeat("a", 120) + "-feature"},
		{"x/a@sha256:abc", "sha", "error"},
		{"", "latest", "error"},
	} {
		var format TagFormat
		if err := format.Set(tt.format); err != nil {
			t.Fatal(err)
		}
		got, err := ImageName(t.Context(), tt.image, format, src)
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%s with %q: got %s, want %s", tt.image, tt.format, got, tt.want)
		}
	}
	noRepo := errors.New("not a git repository")
	src.SHA = func(context.Context) (string, error) { return "", noRepo }
	if _, err := ImageName(t.Context(), "a/b", TagBranch, src); !errors.Is(err, noRepo) {
		t.Errorf("git's failure: %v", err)
	}
	var format TagFormat
	if err := format.Set("bogus"); err == nil || !strings.Contains(err.Error(), "bogus") {
		t.Errorf("an unknown format: %v", err)
	}
}

func TestHandlerDigest(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"one/h": "a\n", "two/.x/h": "a\n", "two/build/h": "b\n"})
	if err := os.Mkdir(filepath.Join(dir, "none"), 0o755); err != nil {
		t.Fatal(err)
	}
	for handler, want := range map[string]string{
		"./none": "d41d8cd98f00b204e9800998ecf8427e",
		"./one":  "13f506e982b57c54057e88860be250f6",
		"two/":   "ff90aeb82c548b2f4488a910b3487e7e",
	} {
		if got, err := HandlerDigest(dir, handler); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", handler, got, err, want)
		}
	}
	if _, err := HandlerDigest(dir, "./gone"); err == nil || !strings.Contains(err.Error(), `"./gone"`) {
		t.Errorf("a missing handler: %v", err)
	}
}

func TestDeploymentMergeOrder(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"one.yml":      "environment: {A: one, C: one, D: \"${FOO}\"}\n",
		"conf/two.yml": "environment:\n  C: two\n  N: 5\n  T: true\n  E:\n",
		"empty.yml":    "# nothing\n",
	})
	f, err := parseText("s.yml", []byte(minimal+`functions:
  fn:
    namespace: ns
    environment: {A: stack, B: stack, F: stack}
    environment_file: [one.yml, conf/two.yml, empty.yml]
    labels: {a: stack, b: stack}
    secrets: [s1, s2]
    constraints: []
    limits: {memory: 1Gi}
    requests: {}
`), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Functions[0].Deployment(Overrides{
		Image: "i", Dir: dir, FProcess: "template", Environment: map[string]string{"F": "flag"},
		Labels: map[string]string{"b": "flag"}, Secrets: []string{"s9", "s2"}, Constraints: []string{"x=y"}, ReadOnly: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"A": "one", "B": "stack", "C": "two", "D": "${FOO}", "E": "", "N": "5", "T": "true", "F": "flag"} {
		if got, ok := d.EnvVars[k]; got != want || !ok {
			t.Errorf("environment %s=%q, want %q", k, got, want)
		}
	}
	if d.Labels["a"] != "stack" || d.Labels["b"] != "flag" || d.Annotations == nil {
		t.Errorf("labels %v, annotations %v", d.Labels, d.Annotations)
	}
	if got := strings.Join(d.Secrets, " "); got != "s9 s2 s1" {
		t.Errorf("secrets %s", got)
	}
	if len(d.Constraints) != 0 || !d.ReadOnlyRootFilesystem || d.EnvProcess != "template" || d.Namespace != "ns" {
		t.Errorf("%+v", d)
	}
	if d.Requests != nil || *d.Limits != (schema.FunctionResources{Memory: "1Gi"}) {
		t.Errorf("requests %v, limits %v", d.Requests, d.Limits)
	}
	if _, err := f.Functions[0].Deployment(Overrides{Dir: dir}); !errors.Is(err, ErrNoImage) {
		t.Errorf("without an image: %v", err)
	}
	for _, path := range []string{"gone.yml", "../out.yml"} {
		fn := Function{Name: "fn", Function: schema.Function{EnvironmentFile: []string{path}}}
		if _, err := fn.Environ(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
