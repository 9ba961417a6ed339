package chart_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faas-cli/faas-cli/internal/chart"
)

func paths(resources []chart.Resource) []string {
	var p []string
	for _, r := range resources {
		p = append(p, r.Path)
	}
	return p
}

func TestSplit(t *testing.T) {
	t.Parallel()
	resources, err := chart.Split(strings.NewReader(`---
# Source: a
kind: Service
metadata: {name: gateway, namespace: openfaas}
spec: {b: 1, a: "2", day: 2026-01-02, base: &x {k: v}, copy: *x}
---
kind: CustomResourceDefinition
metadata:
  name: functions.openfaas.com
---
foo: bar
---
- kind: List
---
kind: Role
metadata: {name: r, namespace: a}
---
kind: Role
metadata: {name: r, namespace: b}
---
kind: Role
metadata: {name: ../../r, namespace: b}
---
kind: Role
metadata: {name: ..-..-r, namespace: b}
---
kind: "../Kind"
metadata: {name: "system:x"}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"service/gateway.yaml", "00_customresourcedefinition/functions.openfaas.com.yaml", "role/r.a.yaml", "role/r.b.yaml",
		"role/-.-..-r.yaml", "role/-.-..-r-2.yaml", "-.-kind/system:x.yaml",
	}
	if got := paths(resources); !slices.Equal(got, want) {
		t.Errorf("paths %q\nwant  %q", got, want)
	}
	const service = `kind: Service
metadata:
  name: gateway
  namespace: openfaas
spec:
  a: "2"
  b: 1
  base:
    k: v
  copy:
    k: v
  day: 2026-01-02
`
	if got := string(resources[0].Content); got != service {
		t.Errorf("content %s\nwant %s", got, service)
	}
}

func TestSplitErrors(t *testing.T) {
	t.Parallel()
	if _, err := chart.Split(strings.NewReader("# nothing\n---\nfoo: bar\n")); !errors.Is(err, chart.ErrEmpty) {
		t.Errorf("nothing rendered: %v", err)
	}
	if _, err := chart.Split(strings.NewReader("a: [\n")); err == nil {
		t.Error("broken YAML was accepted")
	}
	bomb := "a0: &a0 [x]\n"
	for i := range 12 {
		one, two := "a"+string(rune('a'+i)), "a"+string(rune('a'+i-1))
		if i == 0 {
			two = "a0"
		}
		bomb += one + ": &" + one + " [" + strings.TrimSuffix(strings.Repeat("*"+two+", ", 9), ", ") + "]\n"
	}
	if _, err := chart.Split(strings.NewReader(bomb)); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("aliases that multiply: %v", err)
	}
}

func TestExportTouchesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir, outside := filepath.Join(parent, "yaml"), filepath.Join(parent, "outside")
	export := func(paths ...string) error {
		var rs []chart.Resource
		for _, p := range paths {
			rs = append(rs, chart.Resource{Path: p, Content: []byte(p)})
		}
		return chart.Export(dir, rs)
	}
	if err := export("service/a.yaml", "role/b.yaml"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{dir + "/mine.txt", dir + "/service/mine.yaml"} {
		if err := os.WriteFile(p, []byte("m"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := export("service/c.yaml"); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{
		"mine.txt": true, "service/mine.yaml": true, "service/c.yaml": true, "service/a.yaml": false, "role": false,
	} {
		if _, err := os.Lstat(filepath.Join(dir, p)); (err == nil) != want {
			t.Errorf("%s: %v; want it to exist: %v", p, err, want)
		}
	}
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "pod")); err != nil {
		t.Fatal(err)
	}
	if err := export("pod/x.yaml"); err == nil {
		t.Error("a link out of the folder was followed")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside has %v, %v", entries, err)
	}
}

func TestCheckTarget(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	cwd := filepath.Join(home, "src", "app")
	if err := os.MkdirAll(cwd, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(cwd, "link")
	if err := os.Symlink(filepath.Join(home, "src"), link); err != nil {
		t.Fatal(err)
	}
	for dir, ok := range map[string]bool{
		cwd: false, filepath.Dir(cwd): false, home: false, "/": false, link: false,
		cwd + "/yaml": true, cwd + "/a/b": true, filepath.Dir(cwd) + "/app2": true, home + "/..x": true,
	} {
		if err := chart.CheckTarget(dir, cwd, home); (err == nil) != ok {
			t.Errorf("CheckTarget(%q) = %v; want ok: %v", dir, err, ok)
		}
	}
}
