package stack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// findingsOf validates a text in a folder and returns LINE:COLUMN SEVERITY
// RULE of each finding.
func findingsOf(t *testing.T, files map[string]string) ([]Finding, []string) {
	t.Helper()
	dir := write(t, files)
	found, _, err := Validate(t.Context(), []string{"s.yml"}, LoadOptions{Dir: dir, Lookup: lookupIn(nil)},
		ValidateOptions{Template: func(lang string) bool { return lang == "go" }})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range found {
		out = append(out, fmt.Sprintf("%d:%d %s %s", x.Line, x.Column, x.Severity, x.Rule))
		if x.Message == "" || strings.Contains(x.Advice, "\n") {
			t.Errorf("%+v", x)
		}
	}
	return found, out
}

func TestValidateFinds(t *testing.T) {
	t.Parallel()
	const head = "provider: {name: openfaas}\nfunctions:\n  a:\n    image: i/a:1\n"
	build := head + "    lang: go\n    handler: ./a\n"
	skip := head + "    skip_build: true\n"
	files := map[string]string{"a/h.go": "", "e.yml": "environment: {A: b}\n", "bad.yml": "environment: [a]\n"}
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"nothing":              {build, nil},
		"a template":           {strings.Replace(build, "lang: go", "lang: rust", 1), []string{"5:11 warning template"}},
		"a handler":            {strings.Replace(build, "./a\n", "./b\n", 1), []string{"6:14 error handler"}},
		"a handler, a file":    {strings.Replace(build, "./a\n", "./a/h.go\n", 1), []string{"6:14 error handler"}},
		"a handler outside":    {strings.Replace(build, "./a\n", "../x\n", 1), []string{"6:14 error handler"}},
		"no handler":           {head + "    lang: go\n", []string{"3:3 error handler"}},
		"no lang":              {head, []string{"3:3 warning lang"}},
		"no image":             {"provider: {name: openfaas}\nfunctions:\n  a: {skip_build: true}\n", []string{"3:3 error image"}},
		"a bad image":          {strings.Replace(skip, "i/a:1", "I/a:1:2", 1), []string{"4:12 error image"}},
		"shared images":        {build + "  b: {image: \"i/a:1\", lang: go, handler: ./a}\n", []string{"7:14 warning shared-image"}},
		"quantities":           {skip + "    limits: {memory: 64Q, cpu: x}\n    requests: {memory: 1}\n", []string{"6:22 error quantity", "6:32 error quantity"}},
		"requests":             {skip + "    limits: {memory: 1Gi, cpu: 500m}\n    requests: {memory: 1025Mi, cpu: 0.5}\n", []string{"7:24 error requests-exceed-limits"}},
		"platforms":            {skip + "    platforms: linux\n", []string{"6:16 error platforms"}},
		"environment files":    {skip + "    environment_file: [e.yml, gone.yml, ../x.yml]\n", []string{"6:31 error file", "6:41 error file"}},
		"a bad env file":       {skip + "    environment_file: [bad.yml]\n", []string{"1:14 error schema"}},
		"build secrets":        {skip + "    build_secrets: {x: gone, y: e.yml}\n", []string{"6:24 error file"}},
		"misplaced":            {skip + "    labels: {topic: x}\n    annotations: {com.openfaas.scale.min: \"1\"}\n", []string{"6:21 error misplaced-key", "7:43 error misplaced-key"}},
		"unknown labels":       {skip + "    labels: {com.openfaas.min.scale: 1, com.openfaas.scale.mxa: 1, mine: 1}\n", []string{"6:38 warning unknown-label", "6:65 warning unknown-label"}},
		"label values":         {skip + "    labels: {a: \"x y\"}\n", []string{"6:17 error label"}},
		"keys":                 {skip + "    annotations: {\"a b\": x}\n", []string{"6:26 error label"}},
		"ranges":               {skip + "    labels: {com.openfaas.scale.min: 0, com.openfaas.scale.factor: 101, com.openfaas.scale.zero: maybe, com.openfaas.scale.down.window: 6m}\n", []string{"6:38 error range", "6:68 error range", "6:98 error range", "6:137 error range"}},
		"minimum and maximum":  {skip + "    labels: {com.openfaas.scale.min: 5, com.openfaas.scale.max: 4}\n", []string{"6:38 error range"}},
		"a schedule":           {skip + "    annotations: {topic: cron-function, schedule: \"* * *\"}\n", []string{"6:51 error schedule"}},
		"half a schedule":      {skip + "    annotations: {schedule: \"* * * * *\"}\n", []string{"6:29 warning schedule"}},
		"the other half":       {skip + "    annotations: {topic: \"a, cron-function\"}\n", []string{"6:26 warning schedule"}},
		"retries":              {skip + "    annotations: {com.openfaas.retry.min_wait: 2m, com.openfaas.retry.max_wait: 1m, com.openfaas.retry.codes: x}\n", []string{"6:48 error range", "6:111 error range"}},
		"deprecated":           {skip + "    annotations: {com.openfaas.health.http.initialDelay: 5s}\n", []string{"6:58 warning deprecated"}},
		"timeouts":             {skip + "    environment: {exec_timeout: 1m, read_timeout: 30s, write_timeout: 61, mode: fast, max_inflight: -1, healthcheck_interval: soon}\n", []string{"6:51 warning timeout", "6:81 error range", "6:101 error range", "6:127 error range"}},
		"unknown keys":         {skip + "    imgae: x\n", []string{"6:5 error unknown-key"}},
		"unset variables":      {skip + "    fprocess: ${X}\n", []string{"6:15 warning unset-variable"}},
		"a syntax error":       {"a: [\n", []string{"1:4 error syntax"}},
		"a malformed variable": {skip + "    fprocess: ${X\n", []string{"6:15 error variable"}},
		"a name":               {"provider: {name: openfaas}\nfunctions:\n  A: {}\n", []string{"3:3 error name"}},
		"a type":               {skip + "    secrets: x\n", []string{"6:14 error schema"}},
		"a duplicate":          {skip + "    image: x\n", []string{"6:5 error duplicate-key"}},
		"copied paths":         {skip + "configuration: {copy: [a, gone, ../x]}\n", []string{"6:27 error file", "6:33 error file"}},
		"ignored on the line":  {skip + "    platforms: linux # faas-cli: ignore platforms\n", nil},
		"ignored above":        {skip + "    # faas-cli: ignore quantity, platforms\n    platforms: linux\n", nil},
		"another rule ignored": {skip + "    platforms: linux # faas-cli: ignore quantity\n", []string{"6:16 error platforms"}},
		"not in a remote key":  {skip + "    platforms: linux\n    namespace: x # faas-cli: ignore platforms\n", []string{"6:16 error platforms"}},
	} {
		all := map[string]string{"s.yml": tt.text}
		for k, v := range files {
			all[k] = v
		}
		found, got := findingsOf(t, all)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n got %q\nwant %q\n%+v", name, got, tt.want, found)
		}
		for _, x := range found {
			if _, ok := RuleHelp()[x.Rule]; !ok {
				t.Errorf("the rule %s has no help", x.Rule)
			}
		}
	}
}

func TestValidateSecretsFolder(t *testing.T) {
	t.Parallel()
	text := "provider: {name: openfaas}\nfunctions:\n  a: {image: i/a, skip_build: true, secrets: [here, gone]}\n"
	if _, got := findingsOf(t, map[string]string{"s.yml": text, ".secrets/here": "x"}); !slices.Equal(got, []string{"3:53 warning secret"}) {
		t.Errorf("got %q", got)
	}
}

func TestLoadWarnsOfBadValues(t *testing.T) {
	t.Parallel()
	text := minimal + "functions:\n  a:\n    image: i/a\n    limits: {memory: 64Q}\n    annotations: {schedule: x}\n"
	f, err := parseText("s.yml", []byte(text), LoadOptions{})
	if err != nil || len(f.Warnings) != 2 || f.Warnings[0].Rule != RuleBadValue || f.Functions[0].Limits.Memory != "64Q" {
		t.Errorf("got %v, %v", f, err)
	}
	if _, err := parseText("s.yml", []byte(text), LoadOptions{Strict: true}); err == nil || !strings.Contains(err.Error(), `s.yml:5:22: functions.a.limits.memory: invalid memory value "64Q"`) {
		t.Errorf("strict: %v", err)
	}
}

// TestWellKnownValues has for each well-known label and annotation a value
// that is accepted and one that is not ("" where any is).
func TestWellKnownValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, key, good, bad string }{
		{"labels", "com.openfaas.scale.min", "1", "0"},
		{"labels", "com.openfaas.scale.max", "20", "x"},
		{"labels", "com.openfaas.scale.factor", "0", "101"},
		{"labels", "com.openfaas.scale.type", "mem", ""},
		{"labels", "com.openfaas.scale.target", "50", "0"},
		{"labels", "com.openfaas.scale.target-proportion", "0.90", "-1"},
		{"labels", "com.openfaas.scale.zero", "true", "yes"},
		{"labels", "com.openfaas.scale.zero-duration", "15m", "15"},
		{"labels", "com.openfaas.scale.down.window", "5m", "5m1s"},
		{"labels", "com.openfaas.ui.ext", "json", ".json"},
		{"labels", "com.openfaas.git-owner", "me", ""},
		{"labels", "com.openfaas.git-repo", "fn", ""},
		{"labels", "com.openfaas.git-branch", "main", ""},
		{"labels", "com.openfaas.git-sha", "8c37c4e", ""},
		{"labels", "com.openfaas.uid", "7", ""},
		{"annotations", "topic", "a,b", ""},
		{"annotations", "com.openfaas.health.http.path", "/healthz", "healthz"},
		{"annotations", "com.openfaas.health.http.initialDelaySeconds", "0", "-1"},
		{"annotations", "com.openfaas.health.http.periodSeconds", "1", "0"},
		{"annotations", "com.openfaas.health.http.timeoutSeconds", "2", "1s"},
		{"annotations", "com.openfaas.health.http.failureThreshold", "3", "0"},
		{"annotations", "com.openfaas.ready.http.path", "/", "ready"},
		{"annotations", "com.openfaas.ready.http.initialDelaySeconds", "0", "x"},
		{"annotations", "com.openfaas.ready.http.periodSeconds", "1", "0"},
		{"annotations", "com.openfaas.ready.http.timeoutSeconds", "1", "0"},
		{"annotations", "com.openfaas.ready.http.successThreshold", "1", "0"},
		{"annotations", "com.openfaas.ready.http.failureThreshold", "3", "many"},
		{"annotations", "com.openfaas.queue", "slow", ""},
		{"annotations", "com.openfaas.retry.attempts", "0", "-1"},
		{"annotations", "com.openfaas.retry.codes", "408,429, 500", "4xx"},
		{"annotations", "com.openfaas.retry.min_wait", "5s", "5"},
		{"annotations", "com.openfaas.retry.max_wait", "60s", "soon"},
		{"annotations", "com.openfaas.profile", "a,b", ""},
		{"annotations", "com.openfaas.serviceaccount", "sa", ""},
		{"annotations", "com.openfaas.git-repo-url", "https://x/y", "x/y"},
		{"annotations", "prometheus.io.scrape", "false", "no"},
	} {
		text := func(in, value string) string {
			return fmt.Sprintf("provider: {name: openfaas}\nfunctions:\n  a:\n    image: i/a\n    skip_build: true\n    %s: {%s: %q}\n", in, tt.key, value)
		}
		if _, got := findingsOf(t, map[string]string{"s.yml": text(tt.in, tt.good)}); len(got) != 0 {
			t.Errorf("%s: %q is refused: %v", tt.key, tt.good, got)
		}
		if tt.bad != "" {
			if _, got := findingsOf(t, map[string]string{"s.yml": text(tt.in, tt.bad)}); len(got) != 1 || !strings.HasSuffix(got[0], "error range") {
				t.Errorf("%s: %q: %v", tt.key, tt.bad, got)
			}
		}
		if tt.key == "com.openfaas.uid" { // in both maps
			continue
		}
		other := map[string]string{"labels": "annotations", "annotations": "labels"}[tt.in]
		if _, got := findingsOf(t, map[string]string{"s.yml": text(other, "1")}); len(got) != 1 || !strings.HasSuffix(got[0], "error misplaced-key") {
			t.Errorf("%s among the %s: %v", tt.key, other, got)
		}
	}
}
