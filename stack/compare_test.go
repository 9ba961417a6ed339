package stack

import (
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	maps := func(kv ...string) *map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return &m
	}
	want := schema.FunctionDeployment{
		Image: "a:1", EnvVars: map[string]string{"A": "1", "B": "2"}, Secrets: []string{"s1"}, Constraints: []string{"x=y"},
		Labels: map[string]string{"l": "1"}, Limits: &schema.FunctionResources{Memory: "1Gi", CPU: "0.5"},
	}
	got := schema.FunctionStatus{
		Image: "a:1", EnvProcess: "cat", EnvVars: map[string]string{"A": "1", "C": "3"}, Secrets: []string{"s1", "s2"}, Constraints: []string{"x=y"},
		Labels:      maps("l", "1", "com.openfaas.uid", "7", "uid", "7", "faas_function", "f", "extra", "e"),
		Annotations: maps("prometheus.io.scrape", "false", "uid", "1"),
		Limits:      &schema.FunctionResources{Memory: "1024Mi", CPU: "500m"}, Requests: &schema.FunctionResources{Memory: "1"},
	}
	fields := func(o CompareOptions) string {
		var out []string
		for _, d := range Compare(want, got, o) {
			side := "="
			if d.Stack == nil {
				side = ">"
			} else if d.Deployed == nil {
				side = "<"
			}
			out = append(out, side+d.Field)
		}
		return strings.Join(out, " ")
	}
	const rest = ">label.extra >requests.memory >secret.s2"
	for _, tt := range []struct {
		o    CompareOptions
		want string
	}{
		{CompareOptions{}, ">annotation.prometheus.io.scrape <env.B " + rest},
		{CompareOptions{Env: EnvRemote}, ">annotation.prometheus.io.scrape >env.C " + rest},
		{CompareOptions{Env: EnvAll}, ">annotation.prometheus.io.scrape <env.B >env.C " + rest},
	} {
		if got := fields(tt.o); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.o, got, tt.want)
		}
	}
	if got := fields(CompareOptions{ProviderLabels: true}); !strings.Contains(got, ">label.com.openfaas.uid") || !strings.Contains(got, ">annotation.uid") {
		t.Errorf("with provider labels: %s", got)
	}
	got.Image, got.ReadOnlyRootFilesystem = "a:2", true
	if s := fields(CompareOptions{}); !strings.Contains(s, "=image") || !strings.Contains(s, "=readonly_root_filesystem") {
		t.Errorf("values that differ: %s", s)
	}
}
